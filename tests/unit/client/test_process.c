#include "client/process.h"
#include "test.h"

TEST(signals_by_their_words)
{
    CHECK_INT(wr_process_signal_of_status("signal: killed"), 9);
    CHECK_INT(wr_process_signal_of_status("signal: segmentation fault (core dumped)"), 11);
    CHECK_INT(wr_process_signal_of_status("signal: interrupt"), 2);
    CHECK_INT(wr_process_signal_of_status("exit status 9"), 0);
    CHECK_INT(wr_process_signal_of_status(NULL), 0);
    CHECK_INT(wr_process_signal_of_status("signal: unheard of"), 9);
}

/* Names that the board has inside sandboxes. */
#pragma once

#define WR_BOARD_MARK   ".warren-board"      /* in the directory of a blackboard: it is ours */
#define WR_BOARD_LIB    "/tmp/.warren-board" /* where Python finds warren_board */
#define WR_BOARD_MODULE WR_BOARD_LIB "/warren_board.py"

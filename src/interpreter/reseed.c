/*
 * Loaded into Node (runners/javascript/randomness.js): has OpenSSL's generator ask the kernel for
 * new randomness, which no function of Node's does. The work is done when this is loaded. Node then
 * finds that it is no module of Node's and drops it again, so that it can be loaded the next time.
 *
 * Linked against nothing, so that it fits the libc of any template; whoever loads it has OpenSSL,
 * or nothing happens.
 */
extern int RAND_poll(void) __attribute__((weak));

__attribute__((constructor)) static void reseed(void)
{
    if (RAND_poll)
        (void)RAND_poll();
}

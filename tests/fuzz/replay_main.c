/* Runs a fuzz target over the files (or the files of the directories) given on the command line. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_SIZE (1024 * 1024)

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rbe");
    uint8_t *data = malloc(MAX_SIZE);
    int result = -1;

    if (file && data) {
        size_t size = fread(data, 1, MAX_SIZE, file);
        /* An exact allocation lets a sanitizer see a read behind the end. */
        uint8_t *exact = malloc(size ? size : 1);
        if (exact && !ferror(file)) {
            memcpy(exact, data, size);
            (void)LLVMFuzzerTestOneInput(exact, size);
            result = 1;
        }
        free(exact);
    }
    if (result < 0)
        fprintf(stderr, "%s: cannot be read\n", path);
    free(data);
    if (file)
        (void)fclose(file);
    return result;
}

/* The number of inputs, or -1. */
static int replay(const char *path)
{
    struct dirent **names = NULL;
    struct stat st;
    int count = 0;

    if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
        return replay_file(path);
    int n = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char full[4096];
        if (names[i]->d_name[0] != '.' && count >= 0) {
            (void)snprintf(full, sizeof(full), "%s/%s", path, names[i]->d_name);
            int r = replay_file(full);
            count = r < 0 ? r : count + r;
        }
        free(names[i]);
    }
    free(names);
    return n < 0 ? -1 : count;
}

int main(int argc, char **argv)
{
    int total = 0;

    for (int i = 1; i < argc; i++) {
        int n = replay(argv[i]);
        if (n < 0)
            return 1;
        total += n;
    }
    printf("%d inputs\n", total);
    /* A corpus that got lost must not look like a pass. */
    return total > 0 ? 0 : 1;
}

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>

#include "client_check.h"

static void expect(struct wr_sandbox *sandbox, const char *path, const char *bytes, size_t len)
{
    char *content = NULL;
    size_t content_len = 0;

    DO(wr_files_read(sandbox, path, NULL, 0, NULL, &content, &content_len, &err));
    CHECK_INT(content_len, len);
    CHECK(memcmp(content, bytes, len) == 0);
    CHECK_INT(content[len], 0);
    wr_free(content);
}

TEST(files_written_and_read)
{
    static const char odd[] = "n\xc3\xa4me with \"quotes\", & 100% + \\.txt";
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client);
    const struct wr_file files[] = {{"many/one.txt", "1", 1},
                                    {"many/deep/er/two.bin", "a\0b\r\n--", 7},
                                    {odd, "odd", 3},
                                    {"many/empty", NULL, 0}};
    char *content = NULL;
    size_t len = 0;

    DO(wr_files_write(sandbox, "a/b.bin", NULL, "x\0y", 3, NULL, &err));
    expect(sandbox, "a/b.bin", "x\0y", 3);
    DO(wr_files_write(sandbox, "a/b.bin", NULL, "shorter", 1, NULL, &err));
    expect(sandbox, "/home/user/a/b.bin", "s", 1);
    DO(wr_files_write(sandbox, "/home/user/tab\there\n", NULL, "control", 7, NULL, &err));
    expect(sandbox, "tab\there\n", "control", 7);
    DO(wr_files_write_all(sandbox, files, 4, NULL, NULL, &err));
    for (size_t i = 0; i < 4; i++)
        expect(sandbox, files[i].path, files[i].len ? files[i].bytes : "", files[i].len);
    FAILS(WR_E_NOT_FOUND, wr_files_read(sandbox, "none", NULL, 0, NULL, &content, &len, &err));
    FAILS(WR_E_INVALID_ARGUMENT,
          wr_files_read(sandbox, "many", NULL, 0, NULL, &content, &len, &err));
    FAILS(WR_E_RESOURCE_EXHAUSTED,
          wr_files_read(sandbox, "many/deep/er/two.bin", NULL, 6, NULL, &content, &len, &err));
    DO(wr_files_write(sandbox, "/root/secret", "root", "s", 1, NULL, &err));
    CHECK(content == NULL);
    end(client, sandbox);
}

TEST(files_streamed)
{
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client);
    FILE *source = tmpfile(), *target = tmpfile();
    char line[64], back[64] = "";

    CHECK(source && target);
    for (int i = 0; i < 200000; i++)
        fprintf(source, "line %09d\n", i);
    fflush(source);
    /* From its position: without the first line. */
    CHECK_INT(lseek(fileno(source), 15, SEEK_SET), 15);
    DO(wr_files_upload(sandbox, "big", NULL, fileno(source), NULL, &err));
    struct wr_value *result = run_command(sandbox, "head -n 1 big; wc -c < big");
    CHECK_STR(wr_value_string(result, "stdout"), "line 000000001\n2999985\n");
    wr_value_free(result);
    DO(wr_files_download(sandbox, "big", NULL, fileno(target), 0, NULL, &err));
    CHECK_INT(lseek(fileno(target), 0, SEEK_END), 2999985);
    CHECK_INT(pread(fileno(target), back, 15, 2999985 - 15), 15);
    snprintf(line, sizeof line, "line %09d\n", 199999);
    CHECK_STR(back, line);
    FAILS(WR_E_RESOURCE_EXHAUSTED,
          wr_files_download(sandbox, "big", NULL, fileno(target), 100, NULL, &err));
    int pipes[2];
    CHECK_INT(pipe(pipes), 0);
    FAILS(WR_E_INVALID_ARGUMENT, wr_files_upload(sandbox, "p", NULL, pipes[0], NULL, &err));
    fclose(source);
    fclose(target);
    end(client, sandbox);
}

TEST(files_and_directories)
{
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client);
    struct wr_value *list = NULL, *entry = NULL;

    DO(wr_files_make_dir(sandbox, "dir/inner", NULL, NULL, &err));
    FAILS(WR_E_ALREADY_EXISTS, wr_files_make_dir(sandbox, "dir/inner", NULL, NULL, &err));
    DO(wr_files_list(sandbox, "dir/inner", NULL, 0, NULL, &list, &err));
    CHECK_INT(wr_value_count(list), 0);
    wr_value_free(list);
    DO(wr_files_write(sandbox, "dir/inner/file", NULL, "12345", 5, NULL, &err));
    DO(wr_files_list(sandbox, "dir", NULL, 0, NULL, &list, &err));
    CHECK_INT(wr_value_count(list), 1);
    wr_value_free(list);
    DO(wr_files_list(sandbox, "dir", NULL, 2, NULL, &list, &err));
    CHECK_INT(wr_value_count(list), 2);
    CHECK_STR(wr_value_string(wr_value_at(list, 1), "path"), "/home/user/dir/inner/file");
    wr_value_free(list);
    DO(wr_files_stat(sandbox, "dir/inner/file", NULL, NULL, &entry, &err));
    CHECK_STR(wr_value_string(entry, "name"), "file");
    CHECK_STR(wr_value_string(entry, "type"), "FILE_TYPE_FILE");
    CHECK_STR(wr_value_string(entry, "owner"), "user");
    wr_value_free(entry);
    DO(wr_files_rename(sandbox, "dir/inner/file", "elsewhere/moved", NULL, NULL, &err));
    expect(sandbox, "elsewhere/moved", "12345", 5);
    FAILS(WR_E_NOT_FOUND, wr_files_stat(sandbox, "dir/inner/file", NULL, NULL, &entry, &err));
    FAILS(WR_E_NOT_FOUND, wr_files_rename(sandbox, "nothing", "x", NULL, NULL, &err));
    DO(wr_files_remove(sandbox, "dir", NULL, NULL, &err));
    FAILS(WR_E_NOT_FOUND, wr_files_list(sandbox, "dir", NULL, 0, NULL, &list, &err));
    end(client, sandbox);
}

struct seen {
    struct wr_sandbox *sandbox;
    struct wr_cancel *cancel; /* fired in place of ending the watch */
    char names[512];
};

static int see(const struct wr_value *event, void *data)
{
    struct seen *seen = data;
    const char *name = wr_value_string(event, "name"), *type = wr_value_string(event, "type");
    size_t used = strlen(seen->names);

    snprintf(seen->names + used, sizeof seen->names - used, "%s:%s ", type, name);
    if (strcmp(type, "remove") != 0 || strcmp(name, "sub/new") != 0)
        return 0;
    if (!seen->cancel)
        return 1;
    wr_cancel_fire(seen->cancel);
    return 0;
}

static void *change(void *data)
{
    struct seen *seen = data;

    (void)usleep(300000);
    DO(wr_files_write(seen->sandbox, "watched/sub/new", NULL, "1", 1, NULL, &err));
    DO(wr_files_remove(seen->sandbox, "watched/sub/new", NULL, NULL, &err));
    return NULL;
}

TEST(files_watched)
{
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client);
    struct wr_error error = {0};
    struct seen seen = {.sandbox = sandbox};
    struct wr_wait wait = {.timeout_ms = 200};
    pthread_t thread;

    DO(wr_files_make_dir(sandbox, "watched/sub", NULL, NULL, &err));
    FAILS(WR_E_NOT_FOUND, wr_files_watch(sandbox, "none", true, NULL, see, &seen, &err));
    FAILS(WR_E_DEADLINE_EXCEEDED,
          wr_files_watch(sandbox, "watched", true, &wait, see, &seen, &err));
    CHECK_INT(pthread_create(&thread, NULL, change, &seen), 0);
    DO(wr_files_watch(sandbox, "watched", true, NULL, see, &seen, &err));
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK(strstr(seen.names, "create:sub/new ") != NULL);
    CHECK(strstr(seen.names, "write:sub/new ") != NULL);

    seen.cancel = wr_cancel_new(NULL, &error);
    wait = (struct wr_wait){.cancel = seen.cancel};
    CHECK_INT(pthread_create(&thread, NULL, change, &seen), 0);
    FAILS(WR_E_CANCELED, wr_files_watch(sandbox, "watched", true, &wait, see, &seen, &err));
    CHECK_INT(pthread_join(thread, NULL), 0);
    wr_cancel_free(seen.cancel);
    end(client, sandbox);
}

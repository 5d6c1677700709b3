/* SPDX-License-Identifier: Apache-2.0 */
/* Each command of the program, called as main() calls it: exit status, output, files. */
#include "check.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cli/command.h"
#include "core/cli/exit_code.h"
#include "core/store/seal.h"

#define WORDS_MAX 16
#define OUTPUT_BYTES (1 << 18)

static char folder[] = "/tmp/iotify-test-cli-XXXXXX";
static char output[OUTPUT_BYTES], errors[OUTPUT_BYTES];

static void read_back(FILE *file, char *out)
{
    size_t size;

    rewind(file);
    size = fread(out, 1, OUTPUT_BYTES - 1, file);
    out[size] = '\0';
    fclose(file);
}

/* Run `iotifyd WORDS…`, with `input` on standard input; the exit status. Ends with NULL. */
static int run_with(const char *input, ...)
{
    char *words[WORDS_MAX] = {"iotifyd"};
    FILE *streams[3] = {tmpfile(), tmpfile(), tmpfile()};
    int saved[3], count = 1, status = EXIT_USAGE;
    struct options options;
    va_list list;

    va_start(list, input);
    while (count < WORDS_MAX && (words[count] = va_arg(list, char *)))
        count++;
    va_end(list);
    fflush(NULL);
    assert_non_null(streams[0]);
    fputs(input, streams[0]);
    rewind(streams[0]);
    for (int i = 0; i < 3; i++) {
        saved[i] = dup(i);
        dup2(fileno(streams[i]), i);
    }
    clearerr(stdin);
    if (options_parse(&options, count, words))
        status = command_dispatch(&options);
    options_clear(&options);
    fflush(NULL);
    for (int i = 0; i < 3; i++) {
        dup2(saved[i], i);
        close(saved[i]);
    }
    fclose(streams[0]);
    read_back(streams[1], output);
    read_back(streams[2], errors);
    return status;
}
#define run(...) run_with("", __VA_ARGS__, NULL)

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in: %s", part, text);
}

static int begin(void **state)
{
    (void)state;
    seal_prepare();
    if (!mkdtemp(folder) || chdir(folder) != 0)
        return -1;
    write_file("t.yaml", "transport: none\nmessage: |\n  return \"x\";\n");
    write_file("job.yaml", "devices: 3\nplugins:\n  glob: {use: memory}\npipelines:\n  simulate:\n"
                           "    - simulate: {template: t.yaml, iterations: 1}\nrun: [simulate]\n");
    write_file("aws.yaml",
        "devices: 3\nplugins:\n  aws: {use: aws-iot, region: eu-central-1}\n  glob: {use: file}\n");
    write_file("bad.yaml", "devices: 3\nplugins:\n  glob: {use: memory}\nrunn: [simulate]\n");
    return 0;
}

static int end(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

/* ------------------------------------------------------------------ the command line */

static void help_lists_every_option(void **state)
{
    (void)state;
    assert_int_equal(run("--help"), EXIT_DONE);
    for (size_t i = 0; i < options_count; i++)
        assert_has(output, options_table[i].name);
    for (size_t i = 0; i < options_command_count; i++)
        assert_has(output, options_commands[i].word);
    for (size_t i = 0; i < exit_code_count; i++)
        assert_has(output, exit_codes[i].meaning);
}

static void wrong_words_are_usage_errors(void **state)
{
    static const struct {
        const char *words[3], *error;
    } cases[] = {
        {.words = {"--chek", "job.yaml"}, .error = "did you mean \"--check\"?"},
        {.words = {"job.yaml", "--set"}, .error = "--set"},
        {.words = {"--force", "job.yaml"}, .error = "--force is not valid with a run"},
        {.words = {"schema", "fleet"}, .error = "usage: iotifyd schema [job|template]"},
        {.words = {"absent.yaml"}, .error = "absent.yaml"},
        {.words = {"job.yaml", "simulat"}, .error = "did you mean \"simulate\"?"},
        {.words = {"bad.yaml"}, .error = "bad.yaml:4:1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(run(cases[i].words[0], cases[i].words[1], cases[i].words[2]), EXIT_USAGE);
        assert_has(errors, cases[i].error);
        assert_string_equal(output, "");
    }
    assert_int_equal(run_with("", NULL), EXIT_USAGE);
}

static void version_names_the_plugins(void **state)
{
    (void)state;
    assert_int_equal(run("--version"), EXIT_DONE);
    assert_has(output, "iotifyd " IOTIFY_VERSION);
    assert_has(output, "libmosquitto");
}

/* ------------------------------------------------------------------ run */

static void check_and_print_start_nothing(void **state)
{
    (void)state;
    assert_int_equal(run("--check", "job.yaml"), EXIT_DONE);
    assert_has(output, "job.yaml: OK");
    assert_int_equal(run("--print", "job.yaml", "--set", "devices=7"), EXIT_DONE);
    assert_has(output, "count: 7");
    assert_int_not_equal(access("aws.glob", F_OK), 0);
}

static void a_run_writes_its_summary(void **state)
{
    json_t *summary;

    (void)state;
    assert_int_equal(run("job.yaml", "-q", "--json", "summary.json"), EXIT_DONE);
    summary = json_load_file("summary.json", 0, NULL);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(summary, "simulate"), "clients")), 3);
    json_decref(summary);
    assert_int_equal(run("--preview", "job.yaml"), EXIT_DONE);
    assert_has(output, "message 9");
    assert_int_equal(run("--solo", "3", "job.yaml"), EXIT_USAGE);
    assert_int_equal(
        run("job.yaml", "-q", "--set", "pipelines.simulate.0.simulate.thresholds.0=clients > 3"),
        EXIT_USAGE);
    write_file("limit.yaml",
        "devices: 1\nplugins:\n  glob: {use: memory}\npipelines:\n  simulate:\n"
        "    - simulate: {template: t.yaml, iterations: 1, thresholds: "
        "[\"clients > 1\"]}\nrun: [simulate]\n");
    assert_int_equal(run("limit.yaml", "-q"), EXIT_THRESHOLD);
}

/* ------------------------------------------------------------------ the other commands */

static void plugins_shows_all_and_one(void **state)
{
    (void)state;
    assert_int_equal(run("plugins"), EXIT_DONE);
    assert_has(output, "aws-iot");
    assert_has(output, "sqlite");
    assert_int_equal(run("plugins", "mqtt"), EXIT_DONE);
    assert_has(output, "client_id");
    assert_int_equal(run("plugins", "mqqt"), EXIT_USAGE);
    assert_has(errors, "did you mean \"mqtt\"?");
}

static void schemas_are_schemas(void **state)
{
    static const char *const kinds[] = {"job", "template"};
    static const char *const members[] = {"devices", "message"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        json_t *schema;

        assert_int_equal(run("schema", kinds[i]), EXIT_DONE);
        schema = json_loads(output, 0, NULL);
        assert_non_null(schema);
        assert_non_null(json_object_get(json_object_get(schema, "properties"), members[i]));
        json_decref(schema);
    }
}

static void iam_policy_is_a_document(void **state)
{
    json_t *document;

    (void)state;
    assert_int_equal(run("iam-policy", "aws.yaml"), EXIT_DONE);
    document = json_loads(output, 0, NULL);
    assert_true(json_array_size(json_object_get(document, "Statement")) > 0);
    json_decref(document);
    assert_int_equal(run("iam-policy", "bad.yaml"), EXIT_USAGE);
}

static void init_writes_a_job_once(void **state)
{
    (void)state;
    assert_int_equal(run_with("", "init", "new.yaml", "--region", "eu-central-1", "--devices", "5",
                         "--profile", "", NULL),
        EXIT_DONE);
    assert_int_equal(access("new.yaml", F_OK), 0);
    assert_int_equal(run("--check", "new.yaml"), EXIT_DONE);
    assert_int_equal(
        run("init", "new.yaml", "--region", "eu-central-1", "--devices", "6"), EXIT_STEP_FAILED);
    assert_has(errors, "--force");
    assert_int_equal(run("init", "x.yaml", "--region", "no where", "--devices", "5"), EXIT_USAGE);
    assert_int_not_equal(access("x.yaml", F_OK), 0);
}

static void glob_keeps_values(void **state)
{
    (void)state;
    assert_int_equal(run_with("21.5", "glob", "set", "aws.yaml", "limit", NULL), EXIT_DONE);
    assert_int_equal(run("glob", "get", "aws.yaml", "limit"), EXIT_DONE);
    assert_string_equal(output, "21.5\n");
    assert_int_equal(run("glob", "list", "aws.yaml"), EXIT_DONE);
    assert_string_equal(output, "limit\n");
    assert_int_equal(run("glob", "delete", "aws.yaml", "limit"), EXIT_DONE);
    assert_int_equal(run("glob", "get", "aws.yaml", "limit"), EXIT_STEP_FAILED);
    assert_int_equal(run("glob", "take", "aws.yaml", "limit"), EXIT_USAGE);
}

static void import_writes_a_template_and_a_job(void **state)
{
    (void)state;
    write_file("export.json",
        "{\"json\": {\"name\": \"a b\", \"messageString\": \"{ return 1 + '' }\", \"protocol\": "
        "\"http\", \"url\": \"/x\"}}");
    assert_int_equal(run("import", "export.json"), EXIT_DONE);
    assert_has(output, "wrote a_b.yaml");
    assert_has(output, "  url: ");
    assert_int_equal(run("--check", "a_b.yaml"), EXIT_DONE);
    assert_int_equal(run("import", "export.json"), EXIT_STEP_FAILED);
    assert_has(errors, "--force");
    assert_int_equal(run("import", "job.yaml"), EXIT_USAGE);
    assert_has(errors, "job.yaml:1:");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_lists_every_option),
        cmocka_unit_test(wrong_words_are_usage_errors),
        cmocka_unit_test(version_names_the_plugins),
        cmocka_unit_test(check_and_print_start_nothing),
        cmocka_unit_test(a_run_writes_its_summary),
        cmocka_unit_test(plugins_shows_all_and_one),
        cmocka_unit_test(schemas_are_schemas),
        cmocka_unit_test(iam_policy_is_a_document),
        cmocka_unit_test(init_writes_a_job_once),
        cmocka_unit_test(glob_keeps_values),
        cmocka_unit_test(import_writes_a_template_and_a_job),
    };

    return cmocka_run_group_tests(tests, begin, end);
}

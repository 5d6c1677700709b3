/* SPDX-License-Identifier: Apache-2.0 */
#include "core/output/html_report.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include <iotify/buffer.h>

#include "core/output/page_files.h"
#include "core/script/evaluate.h"

#define REPORT_MAX ((size_t)1 << 30)

/* "'sha256-…'" for a Content-Security-Policy: the hash of what an inline element contains. */
static void html_report_add_hash(const struct iotify_buffer *text, struct iotify_buffer *out)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned char encoded[2 * EVP_MAX_MD_SIZE];
    unsigned size = 0;

    EVP_Digest(text->data, text->size, digest, &size, EVP_sha256(), NULL);
    EVP_EncodeBlock(encoded, digest, (int)size);
    iotify_buffer_format(out, "'sha256-%s'", encoded);
}

/* The scripts of the page in one element: the first is pure, the others need a browser. */
static void html_report_add_scripts(struct iotify_buffer *out)
{
    iotify_buffer_string(out, page_file_uplot);
    iotify_buffer_char(out, '\n');
    iotify_buffer_string(out, page_file_page);
    iotify_buffer_string(out, page_file_view);
}

static void html_report_add_styles(struct iotify_buffer *out)
{
    iotify_buffer_string(out, page_file_uplot_style);
    iotify_buffer_char(out, '\n');
    iotify_buffer_string(out, page_file_style);
}

/*
 * Everything but the body's own part: `title` and `body` are HTML; `more` is what the page may do
 * besides, as a part of its Content-Security-Policy.
 */
static void html_report_assemble(
    const char *title, const char *body, const char *more, struct iotify_buffer *out)
{
    struct iotify_buffer script, style;

    iotify_buffer_init(&script, 1 << 20);
    iotify_buffer_init(&style, 1 << 20);
    html_report_add_scripts(&script);
    html_report_add_styles(&style);
    iotify_buffer_string(out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; base-uri "
        "'none'; form-action 'none'; script-src ");
    html_report_add_hash(&script, out);
    iotify_buffer_string(out, "; style-src ");
    html_report_add_hash(&style, out);
    iotify_buffer_format(out,
        "%s\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<title>%s</title>\n<style>",
        more, title);
    iotify_buffer_append(out, style.data, style.size);
    iotify_buffer_format(out,
        "</style>\n</head>\n<body>\n<header><span>iotifyd</span></header>\n%s\n<script>", body);
    iotify_buffer_append(out, script.data, script.size);
    iotify_buffer_string(out, "</script>\n</body>\n</html>\n");
    iotify_buffer_clear(&script);
    iotify_buffer_clear(&style);
}

/* The source as one JSON text; NULL: it is not UTF-8. Free it with free(). */
static char *html_report_data(const struct html_report_source *source)
{
    json_t *root = json_pack("{s:O, s:s, s:o}", "summary", source->summary, "csv", source->series,
        "notes", source->note ? json_pack("[s]", source->note) : json_array());
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;

    json_decref(root);
    return text;
}

/* As html_report_make(), from JSON and by a function of the page; frees the data. */
static bool html_report_make_by(
    const char *function, char *data, struct html_report *report, const char **error)
{
    const char *text = NULL;

    *report = (struct html_report){0};
    iotify_buffer_init(&report->text, REPORT_MAX);
    *error = "it is not UTF-8";
    if (data)
        text = evaluate_with_text(&report->arena, page_file_page, function, data, error);
    if (text) {
        size_t length = strcspn(text, "\n");

        html_report_assemble(arena_format(&report->arena, "%.*s", (int)length, text), text + length,
            "", &report->text);
    }
    if (report->text.failed)
        *error = "out of memory";
    free(data);
    return text && !report->text.failed;
}

bool html_report_make(
    const struct html_report_source *source, struct html_report *report, const char **error)
{
    return html_report_make_by("page.file", html_report_data(source), report, error);
}

bool html_report_compare(json_t *comparison, struct html_report *report, const char **error)
{
    return html_report_make_by(
        "comparison.file", json_dumps(comparison, JSON_COMPACT), report, error);
}

void html_report_live(struct iotify_buffer *out)
{
    html_report_assemble("iotifyd", "<main></main>", "; connect-src 'self'", out);
}

bool html_report_write(const struct html_report *report, FILE *stream)
{
    return fwrite(report->text.data, 1, report->text.size, stream) == report->text.size &&
           fflush(stream) == 0;
}

void html_report_clear(struct html_report *report)
{
    iotify_buffer_clear(&report->text);
    arena_clear(&report->arena);
}

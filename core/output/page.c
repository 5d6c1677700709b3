/* SPDX-License-Identifier: Apache-2.0 */
#include "core/output/page.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include <iotify/buffer.h>

#include "core/output/page_files.h"
#include "core/script/evaluate.h"

#define PAGE_MAX ((size_t)1 << 30)

/* "'sha256-…'" for a Content-Security-Policy: the hash of what an inline element contains. */
static void page_add_hash(const struct iotify_buffer *text, struct iotify_buffer *out)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned char encoded[2 * EVP_MAX_MD_SIZE];
    unsigned size = 0;

    EVP_Digest(text->data, text->size, digest, &size, EVP_sha256(), NULL);
    EVP_EncodeBlock(encoded, digest, (int)size);
    iotify_buffer_format(out, "'sha256-%s'", encoded);
}

/* The scripts of the page in one element: the first is pure, the others need a browser. */
static void page_add_scripts(struct iotify_buffer *out)
{
    iotify_buffer_string(out, page_file_uplot);
    iotify_buffer_char(out, '\n');
    iotify_buffer_string(out, page_file_page);
    iotify_buffer_string(out, page_file_view);
}

static void page_add_styles(struct iotify_buffer *out)
{
    iotify_buffer_string(out, page_file_uplot_style);
    iotify_buffer_char(out, '\n');
    iotify_buffer_string(out, page_file_style);
}

/* Everything but the body's own part: `title` is text, `body` is HTML. */
static void page_assemble(const char *title, const char *body, struct iotify_buffer *out)
{
    struct iotify_buffer script, style;

    iotify_buffer_init(&script, 1 << 20);
    iotify_buffer_init(&style, 1 << 20);
    page_add_scripts(&script);
    page_add_styles(&style);
    iotify_buffer_string(out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; base-uri "
        "'none'; form-action 'none'; script-src ");
    page_add_hash(&script, out);
    iotify_buffer_string(out, "; style-src ");
    page_add_hash(&style, out);
    iotify_buffer_format(out,
        "\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<title>%s</title>\n<style>",
        title);
    iotify_buffer_append(out, style.data, style.size);
    iotify_buffer_format(out,
        "</style>\n</head>\n<body>\n<header><span>iotifyd report</span></header>\n%s\n<script>",
        body);
    iotify_buffer_append(out, script.data, script.size);
    iotify_buffer_string(out, "</script>\n</body>\n</html>\n");
    iotify_buffer_clear(&script);
    iotify_buffer_clear(&style);
}

/* The source as one JSON text; NULL: it is not UTF-8. Free it with free(). */
static char *page_data(const struct page_source *source)
{
    json_t *root = json_pack("{s:O, s:s, s:o}", "summary", source->summary, "csv", source->series,
        "notes", source->note ? json_pack("[s]", source->note) : json_array());
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;

    json_decref(root);
    return text;
}

bool page_make(const struct page_source *source, struct page *page, const char **error)
{
    const char *body = NULL, *title = NULL;
    char *data = page_data(source);

    *page = (struct page){0};
    iotify_buffer_init(&page->text, PAGE_MAX);
    *error = "it is not UTF-8";
    if (data)
        title = evaluate_with_text(&page->arena, page_file_page, "page.title", data, error);
    if (title)
        body = evaluate_with_text(&page->arena, page_file_page, "page.body", data, error);
    if (body)
        page_assemble(title, body, &page->text);
    if (page->text.failed)
        *error = "out of memory";
    free(data);
    return body && !page->text.failed;
}

bool page_write(const struct page *page, FILE *stream)
{
    return fwrite(page->text.data, 1, page->text.size, stream) == page->text.size &&
           fflush(stream) == 0;
}

void page_clear(struct page *page)
{
    iotify_buffer_clear(&page->text);
    arena_clear(&page->arena);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "reference/page.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <iotify/buffer.h>

#include "core/settings/schema.h"

#define TEXT_MAX (1 << 16)

static void page_check(const struct page *page, bool good)
{
    if (good)
        return;
    fprintf(stderr, "iotify-reference: cannot write %s: %s\n", page->name, strerror(errno));
    exit(1);
}

/* ------------------------------------------------------------------ texts */

/* Escape text for roff: `code` in bold, and no line that looks like a request. */
static void page_put_manual(FILE *file, const char *text)
{
    bool code = false;

    for (const char *at = text; *at; at++) {
        if (*at == '`') {
            fputs(code ? "\\fR" : "\\fB", file);
            code = !code;
        } else if (*at == '\\') {
            fputs("\\e", file);
        } else if (*at == '-') {
            fputs("\\-", file);
        } else if ((*at == '.' || *at == '\'') && (at == text || at[-1] == '\n')) {
            fprintf(file, "\\&%c", *at);
        } else {
            fputc(*at, file);
        }
    }
}

/* Escape text for a Markdown table, where a bar ends the column. */
static void page_put_cell(FILE *file, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            fputc('\\', file);
        if (*text == '<')
            fputs("&lt;", file);
        else
            fputc(*text, file);
    }
}

/* ------------------------------------------------------------------ the page */

struct page page_open(
    enum page_form form, const char *folder, const char *name, int section, const char *summary)
{
    struct page page = {.form = form, .name = name};
    char path[1024];

    if (form == PAGE_MARKDOWN)
        snprintf(path, sizeof(path), "%s/%s.md", folder, name);
    else
        snprintf(path, sizeof(path), "%s/%s.%d", folder, name, section);
    page.file = fopen(path, "w");
    page_check(&page, page.file != NULL);
    if (form == PAGE_MARKDOWN) {
        fprintf(page.file,
            "# %c%s\n\nThe build writes this page from the tables of the programs and plugins.\n",
            toupper((unsigned char)summary[0]), summary + 1);
    } else {
        fputs(".TH ", page.file);
        for (const char *at = name; *at; at++)
            fputc(toupper((unsigned char)*at), page.file);
        fprintf(
            page.file, " %d \"\" \"iotifyd " IOTIFY_VERSION "\"\n.SH NAME\n%s \\- ", section, name);
        page_put_manual(page.file, summary);
        fputc('\n', page.file);
    }
    return page;
}

/* The other manual pages. */
static void page_see_also(const struct page *page)
{
    static const struct {
        const char *name;
        int section;
    } pages[] = {{.name = "iotifyd", .section = 1}, {.name = "iotify-sandbox", .section = 1},
        {.name = "iotify-job", .section = 5}, {.name = "iotify-template", .section = 5}};
    const char *before = "";

    fputs(".SH SEE ALSO\n", page->file);
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        if (strcmp(pages[i].name, page->name) == 0)
            continue;
        fprintf(page->file, "%s\\fB", before);
        page_put_manual(page->file, pages[i].name);
        fprintf(page->file, "\\fR(%d)", pages[i].section);
        before = ", ";
    }
    fputc('\n', page->file);
}

void page_close(struct page *page)
{
    if (page->form == PAGE_MANUAL)
        page_see_also(page);
    page_check(page, fclose(page->file) == 0);
}

void page_heading(struct page *page, const char *text)
{
    fprintf(page->file, page->form == PAGE_MARKDOWN ? "\n## %s\n" : ".SH %s\n", text);
}

void page_subheading(struct page *page, const char *text)
{
    fprintf(page->file, page->form == PAGE_MARKDOWN ? "\n### %s\n" : ".SS %s\n", text);
}

void page_text(struct page *page, const char *text)
{
    if (page->form == PAGE_MARKDOWN) {
        fprintf(page->file, "\n%s\n", text);
        return;
    }
    fputs(".PP\n", page->file);
    page_put_manual(page->file, text);
    fputc('\n', page->file);
}

void page_code(struct page *page, const char *text)
{
    if (page->form == PAGE_MARKDOWN) {
        fprintf(page->file, "\n```\n%s```\n", text);
        return;
    }
    fputs(".PP\n.nf\n", page->file);
    page_put_manual(page->file, text);
    fputs(".fi\n", page->file);
}

void page_begin_table(struct page *page, const char *const headings[3])
{
    page->two_columns = !headings[1];
    if (page->form != PAGE_MARKDOWN)
        return;
    if (page->two_columns)
        fprintf(page->file, "\n| %s | %s |\n|---|---|\n", headings[0], headings[2]);
    else
        fprintf(page->file, "\n| %s | %s | %s |\n|---|---|---|\n", headings[0], headings[1],
            headings[2]);
}

void page_row(struct page *page, const char *name, const char *middle, const char *text)
{
    if (page->form == PAGE_MARKDOWN) {
        fputs("| `", page->file);
        page_put_cell(page->file, name);
        fputs("` | ", page->file);
        if (!page->two_columns) {
            page_put_cell(page->file, middle);
            fputs(" | ", page->file);
        }
        page_put_cell(page->file, text);
        fputs(" |\n", page->file);
        return;
    }
    fputs(".TP\n\\fB", page->file);
    page_put_manual(page->file, name);
    fputs("\\fR", page->file);
    if (!page->two_columns && *middle) {
        fputs(" (", page->file);
        page_put_manual(page->file, middle);
        fputc(')', page->file);
    }
    fputc('\n', page->file);
    page_put_manual(page->file, text);
    fputc('\n', page->file);
}

void page_end_table(struct page *page)
{
    if (page->form == PAGE_MANUAL)
        fputs(".PP\n", page->file);
}

/* ------------------------------------------------------------------ settings */

/* A default outside the range means that the setting is left out. */
static bool page_default_is_value(const struct iotify_setting *setting)
{
    return setting->value &&
           (setting->type != IOTIFY_TYPE_INTEGER || (!setting->min && !setting->max) ||
               strtoll(setting->value, NULL, 10) >= setting->min);
}

/* "integer 1 to 256, default 16". */
static void page_describe(const struct iotify_setting *setting, struct iotify_buffer *out)
{
    iotify_buffer_string(out, schema_type_name(setting->type));
    for (int i = 0; setting->type == IOTIFY_TYPE_CHOICE && schema_choices(setting)[i]; i++)
        iotify_buffer_format(out, "%s`%s`", i ? ", " : ": ", schema_choices(setting)[i]);
    if (setting->type == IOTIFY_TYPE_INTEGER && (setting->min || setting->max))
        iotify_buffer_format(
            out, " %lld to %lld", (long long)setting->min, (long long)setting->max);
    if (setting->flags & IOTIFY_FLAG_REQUIRED)
        iotify_buffer_string(out, ", required");
    else if (page_default_is_value(setting))
        iotify_buffer_format(out, ", default `%s`", setting->value);
    if (setting->flags & IOTIFY_FLAG_EXPRESSION)
        iotify_buffer_string(out, ", expressions");
}

static void page_setting(
    struct page *page, const char *prefix, const struct iotify_setting *setting)
{
    struct iotify_buffer name, middle;

    iotify_buffer_init(&name, TEXT_MAX);
    iotify_buffer_init(&middle, TEXT_MAX);
    iotify_buffer_format(&name, "%s%s", prefix, setting->name);
    page_describe(setting, &middle);
    page_row(page, iotify_buffer_text(&name), iotify_buffer_text(&middle), setting->help);
    if (setting->type == IOTIFY_TYPE_TABLE) {
        iotify_buffer_string(&name, "[].");
        for (size_t i = 0; i < schema_columns(setting)->count; i++) {
            struct iotify_setting column = schema_setting(schema_columns(setting), i);

            page_setting(page, iotify_buffer_text(&name), &column);
        }
    }
    iotify_buffer_clear(&name);
    iotify_buffer_clear(&middle);
}

void page_settings(struct page *page, const struct iotify_settings *settings)
{
    if (settings->count == 0)
        return;
    page_begin_table(page, (const char *const[3]){"Setting", "Type", "Meaning"});
    for (size_t i = 0; i < settings->count; i++) {
        struct iotify_setting setting = schema_setting(settings, i);

        page_setting(page, "", &setting);
    }
    page_end_table(page);
}

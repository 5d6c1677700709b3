/* SPDX-License-Identifier: Apache-2.0 */
/* A setting with {{expressions}}: compiled, and expanded for a client. */
#include <stdlib.h>
#include <string.h>

#include "core/script/script.h"
#include "tests/fuzz/fuzz.h"

static struct script *script;
static int uses;

/* A script context keeps every expression: make a new one every 2000 uses. */
static struct script *machine(void)
{
    static const struct script_services services = {0};
    const struct script_facts facts = {.job = "fuzz", .clients = 1, .time_limit = 50000000};

    setenv("JSC_usePollingTraps", "true", 1);
    if (uses++ % 2000 == 0) {
        script_free(script);
        script = script_new(&services, &facts);
        if (!script)
            abort();
        script_add_state(script, 0);
    }
    return script;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct script_turn turn = {0, 0, 0};
    struct diagnostics diagnostics = {0};
    char *text = strndup((const char *)data, size);
    struct script_error error = {0};
    struct iotify_buffer out;
    struct expression *expression = script_expression(
        machine(), "topic", text, (struct location){"fuzz.yaml", 3, 5}, &diagnostics);

    iotify_buffer_init(&out, 1 << 20);
    /* Either an expression, or the reason why there is none. */
    if ((expression == NULL) != (diagnostics.count > 0))
        abort();
    if (expression && !script_expand(script, expression, turn, &out, &error) && !*error.text)
        abort();
    if (expression && expression_is_constant(text) && strcmp(iotify_buffer_text(&out), text) != 0)
        abort();
    iotify_buffer_wipe(&out);
    diagnostics_clear(&diagnostics);
    free(text);
    return 0;
}

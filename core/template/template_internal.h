/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of a template's loader. Main thread. */
#ifndef CORE_TEMPLATE_TEMPLATE_INTERNAL_H
#define CORE_TEMPLATE_TEMPLATE_INTERNAL_H

#include "core/template/template.h"

/*
 * What the transport says of the settings beside each other; it names the faults, in the file whose
 * tree is `root`.
 */
void template_check_settings(
    const struct template_file *template, const struct node *root, struct diagnostics *diagnostics);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `iotifyd --version`: the program, its plugin ABI, and the libraries of program and plugins. Main
 * thread.
 */
#ifndef CORE_CLI_VERSION_H
#define CORE_CLI_VERSION_H

/* Print to standard output. Loads every plugin on the plugin path; refused ones are omitted. */
void version_print(void);

#endif

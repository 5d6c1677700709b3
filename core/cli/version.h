/* SPDX-License-Identifier: Apache-2.0 */
/* `iotifyd --version`: the program, its plugin ABI, and the libraries of program and plugins. */
#ifndef CORE_CLI_VERSION_H
#define CORE_CLI_VERSION_H

/* To stdout. Loads every plugin on the path; one that is refused is left out. */
void version_print(void);

#endif

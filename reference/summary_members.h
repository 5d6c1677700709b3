/* SPDX-License-Identifier: Apache-2.0 */
/* What each member of the JSON summary means. One thread. */
#ifndef REFERENCE_SUMMARY_MEMBERS_H
#define REFERENCE_SUMMARY_MEMBERS_H

#include "reference/page.h"

/*
 * Write a table of all members of a sample summary, with their meanings. Exits after a message when
 * a member has no meaning, or when a meaning has no member.
 */
void summary_members_write(struct page *page);

#endif

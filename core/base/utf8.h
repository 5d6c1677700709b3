/* Foreign bytes made fit for JSON and terminals. Pure. */
#ifndef CORE_BASE_UTF8_H
#define CORE_BASE_UTF8_H

/*
 * Put `?` in the place of every byte that is no part of a UTF-8 character, such as those of one
 * that was cut in the middle. In place; returns `text`.
 */
char *utf8_clean(char *text);

#endif

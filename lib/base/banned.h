/* SPDX-License-Identifier: ISC */
/* banned: functions that do not compile here, because each has hidden a
 * buffer overrun, a silent truncation or an unchecked number before.
 * Include it last, after the system's headers. */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#undef strcpy
#undef strncpy
#undef strcat
#undef strncat
#undef sprintf
#undef vsprintf
#undef strtok
#undef strtok_r
#undef gets
#pragma GCC poison strcpy strncpy strcat strncat sprintf vsprintf
#pragma GCC poison strtok strtok_r gets atoi atol atoll atof

#endif

/* SPDX-License-Identifier: ISC */
/* hello: the least that a FastCGI worker can be: it answers each request with
 * the same words, having read nothing and stored nothing. */
#include <fcgiapp.h>

int
main(void)
{
	static const char answer[] =
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	    "<Response><Say>Hello.</Say></Response>\n";
	FCGX_Request r;

	if (FCGX_Init() != 0 || FCGX_InitRequest(&r, 0, 0) != 0)
		return 1;
	while (FCGX_Accept_r(&r) == 0) {
		(void)FCGX_FPrintF(r.out, "Content-Type: text/xml\r\n"
		    "Content-Length: %d\r\n\r\n%s", (int)sizeof(answer) - 1,
		    answer);
		FCGX_Finish_r(&r);
	}
	return 0;
}

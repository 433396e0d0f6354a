#pragma once
/*
 * carob-meta: reads one page of HTML from stdin, writes the pairs that appc discovery looks for to
 * stdout. The page is hostile, its parser large (gumbo, of the rules of HTML itself), so it is a
 * program of its own that can do nothing else: before the first byte it gives up every file,
 * namespace, capability and system call but read, write, memory and exit.
 *
 *	carob-meta	stdin: the page, at most LIMIT_PAGE_BYTES; stdout: "NAME\0CONTENT\0"...
 *
 * In the order of the page, every <meta> element with both attributes whose name begins with "ac-"
 * and that the rules of HTML make an element: not in comments, script, style, title, textarea,
 * noscript, template. Entities are decoded, blanks around the content go. Pairs with a control
 * character are left out. The status tells why there may be no pairs; a signal says that the page
 * took more of the processor than LIMIT_PAGE_SECONDS, or broke the parser.
 */

enum meta_status {
	META_READ = 0,      /* all of the page was read */
	META_FAILED = 1,    /* it could not be read, or the program not shut in */
	META_TOO_LONG = 2,  /* LIMIT_PAGE_BYTES */
	META_TOO_MANY = 3,  /* LIMIT_PAGE_PAIRS */
	META_TOO_LARGE = 4, /* LIMIT_PAGE_MEMORY */
};

/* What can come out at most: a byte that is no UTF-8 becomes three. */
enum { META_OUTPUT_BYTES = 4 << 20 };

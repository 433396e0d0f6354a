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
 * noscript, template. Entities are decoded. Pairs with a control character are left out. Exit
 * status 0 when all of the page was read.
 */

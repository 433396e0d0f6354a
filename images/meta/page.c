/*
 * The tree that HTML's rules make of a page, searched for <meta>.
 *
 * Gumbo knows no end of memory: it takes what it is given, and it frees a deep tree by recursion.
 * So its memory is an arena with a maximum, which is left by longjmp() when it is full, and which
 * goes at once when the page is done with. The tree is walked with a stack of our own.
 */
#include "images/meta/page.h"

#include <gumbo.h>
#include <setjmp.h>

enum { CHUNK_BYTES = 1 << 20, ALIGNMENT = 16 };

struct chunk {
	struct chunk *next;
	size_t size, used;
	_Alignas(ALIGNMENT) char data[];
};

struct arena {
	struct chunk *chunks;
	size_t total;
	jmp_buf full;
};

static struct chunk *add_chunk(struct arena *a, size_t wanted)
{
	size_t size = wanted > CHUNK_BYTES ? wanted : CHUNK_BYTES;
	struct chunk *chunk = NULL;

	if (size <= LIMIT_PAGE_MEMORY - a->total)
		chunk = malloc(sizeof(*chunk) + size);
	if (!chunk)
		longjmp(a->full, 1);
	*chunk = (struct chunk){ .next = a->chunks, .size = size };
	a->chunks = chunk;
	a->total += size;
	return chunk;
}

static void *allocate(void *arg, size_t size)
{
	struct arena *a = arg;
	struct chunk *chunk = a->chunks;
	void *at;

	if (size > LIMIT_PAGE_MEMORY)
		longjmp(a->full, 1);
	size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	if (!chunk || chunk->size - chunk->used < size)
		chunk = add_chunk(a, size);
	at = chunk->data + chunk->used;
	chunk->used += size;
	return at;
}

static void deallocate(_unused_ void *arg, _unused_ void *at) {}

static void arena_deinit(struct arena *a)
{
	while (a->chunks) {
		struct chunk *chunk = a->chunks;

		a->chunks = chunk->next;
		free(chunk);
	}
}
#define _arena_ _cleanup_(arena_deinit)

/* ---- one element ----------------------------------------------------------------------------- */

static bool is_html(const GumboElement *e, GumboTag tag)
{
	return e->tag == tag && e->tag_namespace == GUMBO_NAMESPACE_HTML;
}

static bool has_control(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] < ' ' || s[i] == 0x7f)
			return true;
	return false;
}

static bool is_blank(char c)
{
	return c && strchr(" \t\n\f\r", c);
}

static enum meta_status add_pair(const GumboElement *e, struct buf *ret, unsigned *n)
{
	const GumboAttribute *name = gumbo_get_attribute(&e->attributes, "name"),
			     *content = gumbo_get_attribute(&e->attributes, "content");
	const char *text;
	size_t len;

	if (!name || !content || !str_starts(name->value, "ac-"))
		return META_READ;
	text = content->value;
	while (is_blank(*text))
		text++;
	len = strlen(text);
	while (len > 0 && is_blank(text[len - 1]))
		len--;
	if (has_control(name->value, strlen(name->value)) || has_control(text, len))
		return META_READ;
	if (++*n > LIMIT_PAGE_PAIRS)
		return META_TOO_MANY;
	if (buf_add(ret, name->value, strlen(name->value) + 1) < 0 || buf_add(ret, text, len) < 0 ||
	    buf_add(ret, "", 1) < 0)
		return META_FAILED;
	return META_READ;
}

/* ---- the tree -------------------------------------------------------------------------------- */

struct stack {
	const GumboNode **nodes;
	size_t n, room;
};

static void stack_deinit(struct stack *s)
{
	free(s->nodes);
}
#define _stack_ _cleanup_(stack_deinit)

/* The first child on top. */
static int push_children(struct stack *s, const GumboVector *children)
{
	if (s->room - s->n < children->length) {
		size_t room = 2 * s->room + children->length + 64;
		const GumboNode **nodes = reallocarray(s->nodes, room, sizeof(nodes[0]));

		if (!nodes)
			return -ENOMEM;
		s->nodes = nodes;
		s->room = room;
	}
	for (unsigned i = children->length; i > 0; i--)
		s->nodes[s->n++] = children->data[i - 1];
	return 0;
}

static enum meta_status search(const GumboOutput *output, struct buf *ret)
{
	_stack_ struct stack s = { 0 };
	enum meta_status status = META_READ;
	unsigned n = 0;
	int r = push_children(&s, &output->document->v.document.children);

	while (r == 0 && status == META_READ && s.n > 0) {
		const GumboNode *node = s.nodes[--s.n];
		const GumboElement *e = &node->v.element;

		/* a template is another type of node */
		if (node->type != GUMBO_NODE_ELEMENT || is_html(e, GUMBO_TAG_NOSCRIPT))
			continue;
		if (is_html(e, GUMBO_TAG_META))
			status = add_pair(e, ret, &n);
		r = push_children(&s, &e->children);
	}
	return r < 0 ? META_FAILED : status;
}

static enum meta_status parse(struct arena *arena, const char *page, size_t len, struct buf *ret)
{
	GumboOptions options = kGumboDefaultOptions;

	options.allocator = allocate;
	options.deallocator = deallocate;
	options.userdata = arena;
	options.max_errors = 0;
	if (setjmp(arena->full))
		return META_TOO_LARGE;
	return search(gumbo_parse_with_options(&options, page, len), ret);
}

enum meta_status page_read(const char *page, size_t len, struct buf *ret)
{
	_arena_ struct arena arena = { 0 };

	return len > LIMIT_PAGE_BYTES ? META_TOO_LONG : parse(&arena, page, len, ret);
}

int error_set(struct error *err)
{ /* EXPECT(4 places) */
    return 0;
}

static int f(void) { return 0; }

/* /bin/true without a library to load: what is measured is the start of a container, not of this. */
int main(void)
{
	return 0;
}

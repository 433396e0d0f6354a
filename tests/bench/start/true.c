/* /bin/true without a library to load: measured is the start of a container, not of this. */
int main(void)
{
	return 0;
}

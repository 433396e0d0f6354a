int main(void)
{
	printf("hello\n");
	exit(1);
}

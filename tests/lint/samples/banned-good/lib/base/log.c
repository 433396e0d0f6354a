static void log_write(const char *line)
{
	fputs(line, stderr);
}

int not_looked_at(void)
{
	int values[2] = { 0, 1 };

	return values[2];
}

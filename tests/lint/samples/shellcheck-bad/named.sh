#!/bin/bash
for file in $(ls *.c); do # EXPECT(SC2045)
	cat "$file"
done

int error_occured; /* EXPECT */

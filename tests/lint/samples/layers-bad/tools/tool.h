#pragma once /* EXPECT(no row in the table) */

#pragma once
/*
 * EXPECT(columns) This comment goes on and on and is longer than what an editor window of one hundred columns shows.
 */

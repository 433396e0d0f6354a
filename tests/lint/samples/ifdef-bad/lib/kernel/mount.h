#pragma once
#ifndef MOVE_MOUNT_BENEATH /* EXPECT(put what differs) */
#define MOVE_MOUNT_BENEATH 0x200
#endif

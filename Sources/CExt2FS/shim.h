// libext2fs for Swift: static inline functions for what Swift cannot import (macros, globals).
#pragma once

#include <ext2fs.h>

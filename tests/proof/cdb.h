/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The library's header, which is not where the analyser looks; with what it has to know of two functions. */

#include "/usr/include/cdb.h"

/*@ requires \valid_read((const char *) buf + (0 .. len - 1));
    requires \initialized((const char *) buf + (0 .. len - 1));
    assigns \result \from ((const char *) buf)[0 .. len - 1]; */
unsigned cdb_hash(const void *buf, unsigned len);

/*@ requires \valid_read(buf + (0 .. 3));
    requires \initialized(buf + (0 .. 3));
    assigns \result \from buf[0 .. 3]; */
unsigned cdb_unpack(const unsigned char buf[4]);

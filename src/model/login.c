/* SPDX-License-Identifier: Apache-2.0 */
/* Names of verdicts. */

#include "model/login.h"

const char *match_verdict_to_string(MatchVerdict verdict) {
        static const char *const names[_MATCH_VERDICT_MAX] = {
                [MATCH_NONE] = "none",
                [MATCH_LOGIN] = "login",
                [MATCH_NAMED] = "named",
                [MATCH_LOGOUT] = "logout",
                [MATCH_CONNECT] = "connect",
                [MATCH_RESTART] = "none",
                [MATCH_HINT] = "hint",
                [MATCH_TORN] = "torn",
                [MATCH_REFUSED] = "refused",
                [MATCH_UNTRUSTED] = "refused",
        };

        assert(verdict >= 0 && verdict < _MATCH_VERDICT_MAX);
        return names[verdict];
}

/* SPDX-License-Identifier: Apache-2.0 */
/* authrelay.conf: a configuration that is taken keeps within its bounds, one that is not says why. */

#include "daemon/config.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Config c = {0};
        IniError error = {""};

        /* lists in files are another input */
        if (memmem(data, size, "file:", 5) || memmem(data, size, "TcprulesTemplate", 16))
                return 0;
        if (config_load(fuzz_file(data, size), false, &c, &error) < 0) {
                MUST(error.text[0]);
                return 0;
        }
        MUST(c.policy.ttl >= 1 && c.policy.ttl <= 7 * 86400 && c.policy.max_grants >= 1);
        MUST(c.policy.ipv6_prefix >= 32 && c.policy.ipv6_prefix <= 128 && c.policy.never.n >= 9);
        for (uint32_t i = 0; i < c.policy.always.n; i++)
                MUST(c.policy.always.items[i].length >=
                        (ip_network_is_v4(&c.policy.always.items[i]) ? 104 : 32));
        for (size_t i = 0; i < c.n_files; i++)
                MUST(c.files[i].path[0] == '/');
        config_done(&c);
        return 0;
}

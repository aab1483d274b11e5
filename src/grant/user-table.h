/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Users, and which grants their logins hold: a lease is one user at one grant. Grants are known by number.
 */

#include "basic/span.h"

#define USER_NONE UINT32_MAX
#define GRANT_NONE UINT32_MAX

typedef struct UserTable UserTable;

/* Leases of one grant: the first of them, as most have but one, and where the others are. */
typedef struct LeaseList {
        uint32_t user; /* USER_NONE: there is no lease */
        uint32_t next_of_user;
        uint32_t last; /* seconds: its latest login */
        uint32_t others : 24;
        uint32_t length : 8; /* the grant's own, which has no other room for it */
} LeaseList;

#define LEASE_OTHERS_NONE 0xffffffu
#define LEASE_LIST_INIT ((LeaseList){.user = USER_NONE, .others = LEASE_OTHERS_NONE})

/* `list_of` says where the leases of a grant are. Returns 0 or -ENOMEM. */
int user_table_new(
        LeaseList *(*list_of)(const void *userdata, uint32_t grant), const void *userdata, UserTable **ret);
UserTable *user_table_free(UserTable *t);

DEFINE_CLEANUP(UserTable *, user_table_free)

/* Makes room for so many users at once, while there is none. Without memory they get it one by one. */
void user_table_reserve(UserTable *t, uint32_t users);

/* As hash_chain_expect() and hash_chain_expect_item(), for names that will be looked up. */
uint32_t user_table_expect(const UserTable *t, Span name);
void user_table_expect_item(const UserTable *t, uint32_t hash);

/* Finds a user by name, ASCII case folded, names cut at 255 bytes; user_table_intern() makes one if need be
 * and counts a reference to it, which user_table_unref() takes back. Return a number, or USER_NONE (not
 * there, no name, no memory). user_table_is_called() says whether a user, or USER_NONE, has this name. */
uint32_t user_table_find(const UserTable *t, Span name);
uint32_t user_table_intern(UserTable *t, Span name);
bool user_table_is_called(const UserTable *t, uint32_t user, Span name);
void user_table_unref(UserTable *t, uint32_t user);
Span user_table_name(const UserTable *t, uint32_t user);

/* Notes a login of `user` at `grant`, at `time` (seconds). If the lease is new and the user has `max` others
 * with a login since `alive_from`, nothing is noted.
 * Returns 1 for a new lease, 0 for a known one, -EDQUOT for too many, -ENOMEM. */
int user_table_lease(
        UserTable *t, uint32_t user, uint32_t grant, uint32_t time, uint32_t alive_from, uint32_t max);

/* How many leases a grant has. */
uint32_t user_table_count_leases(const UserTable *t, const LeaseList *list);

/* Counts all users of a grant as logged in at `time`. */
void user_table_touch(UserTable *t, LeaseList *list, uint32_t time);

/* Drops the leases of a grant without a login since `alive_from`. */
void user_table_prune(UserTable *t, uint32_t grant, uint32_t alive_from);
/* Drops all of them: the grant has ended. */
void user_table_release(UserTable *t, uint32_t grant);

/* A grant that this user holds, GRANT_NONE if there is none. */
uint32_t user_table_first_grant(const UserTable *t, uint32_t user);

/* Calls `each` for every lease of a grant. */
void user_table_each_lease(const UserTable *t, const LeaseList *list,
        void (*each)(void *userdata, uint32_t user, uint32_t last), void *userdata);

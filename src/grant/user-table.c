/* SPDX-License-Identifier: Apache-2.0 */
/* Users and leases, in arrays that are linked by numbers: a million of each must stay small. A user has few
 * leases (MaxAddressesPerUser=), so these are searched from the user's side; a grant may have many. */

#include "grant/user-table.h"

#include <errno.h>

#include "model/relay-entry.h"

#define NONE UINT32_MAX

typedef struct User {
        char *name;     /* as last logged; NULL: free, and then first is the next free one */
        uint32_t first; /* lease */
        uint32_t n;     /* leases */
        uint32_t refs;  /* leases and grants that name it */
} User;

typedef struct Lease {
        uint32_t grant; /* NONE: free, and then next_of_user is the next free one */
        uint32_t user;
        uint32_t next_of_user, next_of_grant, previous_of_grant;
        uint32_t last; /* seconds: the latest login */
} Lease;

struct UserTable {
        User *users;
        uint32_t n_users, free_user;
        Lease *leases;
        uint32_t n_leases, free_lease;
        HashIndex by_name;
};

int user_table_new(UserTable **ret) {
        UserTable *t = calloc(1, sizeof(UserTable));

        if (!t)
                return -ENOMEM;
        t->free_user = t->free_lease = NONE;
        *ret = t;
        return 0;
}

UserTable *user_table_free(UserTable *t) {
        if (!t)
                return NULL;
        for (uint32_t i = 0; i < t->n_users; i++)
                free(t->users[i].name);
        free(t->users);
        free(t->leases);
        hash_index_done(&t->by_name);
        free(t);
        return NULL;
}

typedef struct FoldedName {
        char text[RELAY_USER_MAX_BYTES];
        size_t size;
} FoldedName;

static Span fold(FoldedName *buf, Span name) {
        buf->size = MIN(name.size, sizeof(buf->text));
        for (size_t i = 0; i < buf->size; i++)
                buf->text[i] = (char) (name.data[i] >= 'A' && name.data[i] <= 'Z' ? name.data[i] | 0x20
                                                                                  : name.data[i]);
        return span_make(buf->text, buf->size);
}

static bool user_equal(const void *items, uint32_t index, Span key) {
        FoldedName buf;

        return span_equal(fold(&buf, span_from_string(((const User *) items)[index].name)), key);
}

uint32_t user_table_find(const UserTable *t, Span name) {
        FoldedName buf;

        return name.size == 0 ? USER_NONE
                              : hash_index_find(&t->by_name, fold(&buf, name), user_equal, t->users);
}

/* Doubles an array that is full. Returns false when there is no memory. */
static bool grow(void **array, uint32_t n, size_t size) {
        uint64_t room;
        void *more;

        if ((n & (n - 1)) != 0 || (n > 0 && n < 16))
                return true;
        room = n == 0 ? 16 : (uint64_t) n * 2;
        if (room >= NONE)
                return false;
        more = realloc(*array, room * size);
        if (!more)
                return false;
        *array = more;
        return true;
}

static uint32_t add_user(UserTable *t, Span name) {
        uint32_t i = t->free_user;
        FoldedName buf;
        char *copy;

        /* a NUL in a name would end it early in every comparison */
        if (memchr(name.data, 0, name.size))
                return USER_NONE;
        copy = strndup(name.data, MIN(name.size, (size_t) RELAY_USER_MAX_BYTES));
        if (!copy)
                return USER_NONE;
        if (i == NONE && !grow((void **) &t->users, t->n_users, sizeof(User))) {
                free(copy);
                return USER_NONE;
        }
        if (hash_index_add(&t->by_name, fold(&buf, name), i == NONE ? t->n_users : i) < 0) {
                free(copy);
                return USER_NONE;
        }
        if (i == NONE)
                i = t->n_users++;
        else
                t->free_user = t->users[i].first;
        t->users[i] = (User){.name = copy, .first = NONE};
        return i;
}

uint32_t user_table_intern(UserTable *t, Span name) {
        uint32_t user;

        if (name.size == 0)
                return USER_NONE;
        user = user_table_find(t, name);
        if (user == USER_NONE)
                user = add_user(t, name);
        if (user != USER_NONE)
                t->users[user].refs++;
        return user;
}

void user_table_unref(UserTable *t, uint32_t user) {
        User *u;
        FoldedName buf;

        if (user == USER_NONE)
                return;
        u = &t->users[user];
        assert(u->refs > 0);
        if (--u->refs > 0)
                return;
        hash_index_remove(&t->by_name, fold(&buf, span_from_string(u->name)), user);
        u->name = (free(u->name), NULL);
        u->first = t->free_user;
        t->free_user = user;
}

Span user_table_name(const UserTable *t, uint32_t user) {
        return user == USER_NONE ? SPAN_NONE : span_from_string(t->users[user].name);
}

static void drop_lease(UserTable *t, LeaseList *list, uint32_t i) {
        Lease *l = &t->leases[i];
        User *u = &t->users[l->user];
        uint32_t *link = &u->first;

        while (*link != i)
                link = &t->leases[*link].next_of_user;
        *link = l->next_of_user;
        u->n--;
        if (l->previous_of_grant != NONE)
                t->leases[l->previous_of_grant].next_of_grant = l->next_of_grant;
        else
                list->first = l->next_of_grant;
        if (l->next_of_grant != NONE)
                t->leases[l->next_of_grant].previous_of_grant = l->previous_of_grant;
        list->n--;
        user_table_unref(t, l->user);
        l->grant = NONE;
        l->next_of_user = t->free_lease;
        t->free_lease = i;
}

/* The user's leases that still count. Those that do not stay until their grants end: a grant's list has its
 * head in the grant, which is not ours to reach. */
static uint32_t count_alive(const UserTable *t, uint32_t user, uint32_t alive_from) {
        uint32_t n = 0;

        for (uint32_t i = t->users[user].first; i != NONE; i = t->leases[i].next_of_user)
                n += t->leases[i].last >= alive_from;
        return n;
}

int user_table_lease(UserTable *t, uint32_t user, uint32_t grant, LeaseList *list, uint32_t time,
        uint32_t alive_from, uint32_t max) {
        uint32_t i;

        for (i = t->users[user].first; i != NONE; i = t->leases[i].next_of_user)
                if (t->leases[i].grant == grant) {
                        t->leases[i].last = MAX(t->leases[i].last, time);
                        return 0;
                }
        if (count_alive(t, user, alive_from) >= max)
                return -EDQUOT;
        i = t->free_lease;
        if (i != NONE)
                t->free_lease = t->leases[i].next_of_user;
        else {
                if (!grow((void **) &t->leases, t->n_leases, sizeof(Lease)))
                        return -ENOMEM;
                i = t->n_leases++;
        }
        t->leases[i] = (Lease){
                .grant = grant,
                .user = user,
                .next_of_user = t->users[user].first,
                .next_of_grant = list->first,
                .previous_of_grant = NONE,
                .last = time,
        };
        if (list->first != NONE)
                t->leases[list->first].previous_of_grant = i;
        list->first = i;
        list->n++;
        t->users[user].first = i;
        t->users[user].n++;
        t->users[user].refs++;
        return 1;
}

void user_table_touch(UserTable *t, const LeaseList *list, uint32_t time) {
        for (uint32_t i = list->first; i != NONE; i = t->leases[i].next_of_grant)
                t->leases[i].last = MAX(t->leases[i].last, time);
}

void user_table_prune(UserTable *t, LeaseList *list, uint32_t alive_from) {
        for (uint32_t i = list->first, next; i != NONE; i = next) {
                next = t->leases[i].next_of_grant;
                if (t->leases[i].last < alive_from)
                        drop_lease(t, list, i);
        }
}

void user_table_release(UserTable *t, LeaseList *list) {
        while (list->first != NONE)
                drop_lease(t, list, list->first);
}

uint32_t user_table_first_grant(const UserTable *t, uint32_t user) {
        return t->users[user].first == NONE ? GRANT_NONE : t->leases[t->users[user].first].grant;
}

void user_table_each_lease(const UserTable *t, const LeaseList *list,
        void (*each)(void *userdata, uint32_t user, uint32_t last), void *userdata) {
        for (uint32_t i = list->first; i != NONE; i = t->leases[i].next_of_grant)
                each(userdata, t->leases[i].user, t->leases[i].last);
}

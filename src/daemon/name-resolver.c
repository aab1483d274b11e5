/* SPDX-License-Identifier: Apache-2.0 */
/* A server that logs a name has it from the reverse zone of the client's address, which belongs to whoever
 * has the address. So a name counts only if it leads to one address and that one back to the name: nobody
 * can then have an address granted but one whose owner says the same. resolved does the caching. */

#include "daemon/name-resolver.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>

/* Open questions; more logins than these within a second are not those of a host that needs this. */
#define QUESTIONS_MAX 64
/* Of one user: his name server, if he has one, may take as long as it likes. */
#define QUESTIONS_OF_USER_MAX 8
/* Of one domain: whoever has several accounts has no more domains for it, and a provider's answer at once.
 */
#define QUESTIONS_OF_DOMAIN_MAX 16
/* For each of the two steps. */
#define ANSWER_USEC (5 * USEC_PER_SEC)
/* org.freedesktop.resolve1(5): the DNS only, no search domains, nothing made up. */
#define RESOLVE1 "org.freedesktop.resolve1"
#define FLAG_DNS (UINT64_C(1) << 0)
#define FLAG_NO_SEARCH (UINT64_C(1) << 8)
#define FLAG_NO_SYNTHESIZE (UINT64_C(1) << 11)

typedef struct Question {
        NameResolver *resolver;
        sd_bus_slot *slot; /* of the call that is under way */
        char *text; /* all text of the login: host, user, service, pattern, source, each ending in NUL */
        Login login;
} Question;

struct NameResolver {
        sd_event *event;
        sd_bus *bus;
        NameResolverHandler handler;
        void *userdata;
        Question *questions[QUESTIONS_MAX];
};

static Question *question_free(Question *q) {
        if (!q)
                return NULL;
        sd_bus_slot_unref(q->slot);
        free(q->text);
        free(q);
        return NULL;
}

DEFINE_CLEANUP(Question *, question_free)

/* Copies a text to where *end is and moves it behind the NUL. */
static const char *put(char **end, Span text) {
        char *begin = *end;

        if (text.size > 0)
                memcpy(begin, text.data, text.size);
        begin[text.size] = 0;
        *end = begin + text.size + 1;
        return begin;
}

static Span put_span(char **end, Span text) {
        return span_make(put(end, text), text.size);
}

static Question *question_new(NameResolver *r, const Login *login) {
        _cleanup_(question_freep) Question *q = calloc(1, sizeof(Question));
        Span pattern = span_from_string(login->pattern), source = span_from_string(login->source);
        char *end;

        if (!q)
                return NULL;
        q->text = end = malloc(
                login->host.size + login->user.size + login->service.size + pattern.size + source.size + 5);
        if (!end)
                return NULL;
        q->resolver = r;
        q->login = (Login){
                .verdict = MATCH_REFUSED,
                .host = put_span(&end, login->host),
                .user = put_span(&end, login->user),
                .service = put_span(&end, login->service),
                .pattern = put(&end, pattern),
                .source = put(&end, source),
                .time = login->time,
        };
        return TAKE_PTR(q);
}

/* Tells what became of it and forgets it. A NULL reason: it has an address. */
static void finish(Question *q, const char *reason) {
        NameResolver *r = q->resolver;

        q->login.verdict = reason ? MATCH_REFUSED : MATCH_LOGIN;
        q->login.has_address = !reason;
        q->login.reason = reason;
        for (size_t i = 0; i < QUESTIONS_MAX; i++)
                if (r->questions[i] == q)
                        r->questions[i] = NULL;
        r->handler(r->userdata, &q->login);
        question_free(q);
}

static int read_address(sd_bus_message *m, IpAddr *ret) {
        const void *bytes;
        int32_t interface, family;
        size_t size;
        int r = sd_bus_message_enter_container(m, 'r', "iiay");

        if (r <= 0)
                return r;
        r = sd_bus_message_read(m, "ii", &interface, &family);
        if (r >= 0)
                r = sd_bus_message_read_array(m, 'y', &bytes, &size);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        if (family == AF_INET && size == 4) {
                *ret = (IpAddr){{[10] = 0xff, [11] = 0xff}};
                memcpy(ret->bytes + 12, bytes, 4);
        } else if (family == AF_INET6 && size == 16)
                memcpy(ret->bytes, bytes, 16);
        else
                return -EBADMSG;
        return 1;
}

/* Returns how many different addresses the reply has, counting to two, the first in *ret; or -errno. */
static int read_addresses(sd_bus_message *m, IpAddr *ret) {
        IpAddr address;
        int n = 0, r = sd_bus_message_enter_container(m, 'a', "(iiay)");

        while (r >= 0 && n < 2 && (r = read_address(m, &address)) > 0) {
                if (n > 0 && ip_addr_equal(&address, ret))
                        continue;
                if (n++ == 0)
                        *ret = address;
        }
        return r < 0 ? r : n;
}

/* Returns whether one of the reply's names is this one, or -errno. */
static int has_name(sd_bus_message *m, Span wanted) {
        const char *name;
        int32_t interface;
        int r = sd_bus_message_enter_container(m, 'a', "(is)");

        while (r >= 0 && (r = sd_bus_message_read(m, "(is)", &interface, &name)) > 0) {
                size_t n = strlen(name);

                if (n > 0 && name[n - 1] == '.')
                        n--;
                if (n == wanted.size && strncasecmp(name, wanted.data, n) == 0)
                        return 1;
        }
        return r;
}

/* resolved's own errors say something of the name, all others something of the way there. */
static const char *why_not(sd_bus_message *m) {
        const sd_bus_error *error = sd_bus_message_get_error(m);

        return error && error->name && strncmp(error->name, RESOLVE1 ".", strlen(RESOLVE1 ".")) == 0
                       ? "the host name can't be resolved"
                       : "the host name can't be resolved: systemd-resolved does not answer";
}

static int on_names(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        Question *q = userdata;

        if (sd_bus_message_is_method_error(m, NULL))
                finish(q, "the host name's address has no name that can be found");
        else
                finish(q, has_name(m, q->login.host) > 0
                                  ? NULL
                                  : "the host name's address has another name itself");
        return 0;
}

static int new_call(NameResolver *r, const char *method, sd_bus_message **ret) {
        return sd_bus_message_new_method_call(
                r->bus, ret, RESOLVE1, "/org/freedesktop/resolve1", RESOLVE1 ".Manager", method);
}

static int ask_names(Question *q) {
        const IpAddr *a = &q->login.address;
        bool v4 = ip_addr_is_v4(a);
        sd_bus_message *m = NULL;
        int r = new_call(q->resolver, "ResolveAddress", &m);

        if (r >= 0)
                r = sd_bus_message_append(m, "ii", 0, v4 ? AF_INET : AF_INET6);
        if (r >= 0)
                r = sd_bus_message_append_array(m, 'y', v4 ? a->bytes + 12 : a->bytes, v4 ? 4 : 16);
        if (r >= 0)
                r = sd_bus_message_append(m, "t", FLAG_DNS | FLAG_NO_SYNTHESIZE);
        q->slot = sd_bus_slot_unref(q->slot);
        if (r >= 0)
                r = sd_bus_call_async(q->resolver->bus, &q->slot, m, on_names, q, ANSWER_USEC);
        sd_bus_message_unref(m);
        return r;
}

static int on_addresses(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        Question *q = userdata;
        int n;

        if (sd_bus_message_is_method_error(m, NULL)) {
                finish(q, why_not(m));
                return 0;
        }
        n = read_addresses(m, &q->login.address);
        if (n == 1 && ask_names(q) >= 0)
                return 0;
        finish(q, n > 1 ? "the host name has several addresses" : "the host name can't be resolved");
        return 0;
}

static int ask_addresses(Question *q) {
        sd_bus_message *m = NULL;
        int r = new_call(q->resolver, "ResolveHostname", &m);

        if (r >= 0)
                r = sd_bus_message_append(m, "isit", 0, q->login.host.data, AF_UNSPEC,
                        FLAG_DNS | FLAG_NO_SEARCH | FLAG_NO_SYNTHESIZE);
        if (r >= 0)
                r = sd_bus_call_async(q->resolver->bus, &q->slot, m, on_addresses, q, ANSWER_USEC);
        sd_bus_message_unref(m);
        return r;
}

/* A bus that was restarted needs a new connection. */
static int connect_bus(NameResolver *r) {
        int e;

        if (r->bus && sd_bus_is_open(r->bus) > 0)
                return 0;
        /* what was asked on the old one is not answered any more */
        for (size_t i = 0; i < QUESTIONS_MAX; i++)
                if (r->questions[i])
                        finish(r->questions[i],
                                "the host name can't be resolved: the system bus was closed");
        r->bus = sd_bus_close_unref(r->bus);
        e = sd_bus_open_system(&r->bus);
        if (e >= 0)
                e = sd_bus_attach_event(r->bus, r->event, SD_EVENT_PRIORITY_NORMAL);
        return e;
}

static bool is_equal(Span a, Span b) {
        return a.size == b.size && (a.size == 0 || strncasecmp(a.data, b.data, a.size) == 0);
}

/* Takes "user+anything@domain" apart: one account has any number of such names (qmail's have a '-'). That
 * some who have nothing to do with each other are counted together does no harm. */
static Span account_of(Span user, Span *ret_domain) {
        const char *at = user.size > 0 ? memrchr(user.data, '@', user.size) : NULL;
        Span name = at ? span_make(user.data, (size_t) (at - user.data)) : user;
        size_t n = 0;

        *ret_domain = span_skip(user, name.size);
        while (n < name.size && name.data[n] != '+' && name.data[n] != '-')
                n++;
        return span_make(name.data, n);
}

static bool is_same_account(Span a, Span b) {
        Span a_domain, b_domain, a_name = account_of(a, &a_domain), b_name = account_of(b, &b_domain);

        return a.size > 0 && b.size > 0 && is_equal(a_name, b_name) && is_equal(a_domain, b_domain);
}

/* What somebody registers: the last two labels, or three where the last but one is of the kind of "co". */
static Span domain_of(Span host) {
        unsigned labels = 1;
        size_t i, end;

        if (host.size > 0 && host.data[host.size - 1] == '.')
                host.size--;
        for (i = end = host.size; i > 0; i--) {
                if (host.data[i - 1] != '.')
                        continue;
                if (labels >= 3 || (labels == 2 && end - i > 3))
                        break;
                labels++;
                end = i - 1;
        }
        return span_skip(host, i);
}

int name_resolver_ask(NameResolver *r, const Login *login) {
        _cleanup_(question_freep) Question *q = NULL;
        size_t i = QUESTIONS_MAX, of_user = 0, of_domain = 0;
        int e;

        for (size_t k = QUESTIONS_MAX; k-- > 0;) {
                const Question *other = r->questions[k];

                if (!other) {
                        i = k;
                        continue;
                }
                of_user += is_same_account(other->login.user, login->user);
                of_domain += is_equal(domain_of(other->login.host), domain_of(login->host));
        }
        if (i == QUESTIONS_MAX || of_user >= QUESTIONS_OF_USER_MAX || of_domain >= QUESTIONS_OF_DOMAIN_MAX)
                return -EBUSY;
        e = connect_bus(r);
        if (e < 0)
                return e;
        q = question_new(r, login);
        if (!q)
                return -ENOMEM;
        e = ask_addresses(q);
        if (e < 0)
                return e;
        r->questions[i] = TAKE_PTR(q);
        return 0;
}

int name_resolver_new(sd_event *event, NameResolverHandler handler, void *userdata, NameResolver **ret) {
        NameResolver *r = calloc(1, sizeof(NameResolver));

        if (!r)
                return -ENOMEM;
        r->event = sd_event_ref(event);
        r->handler = handler;
        r->userdata = userdata;
        *ret = r;
        return 0;
}

NameResolver *name_resolver_free(NameResolver *r) {
        if (!r)
                return NULL;
        for (size_t i = 0; i < QUESTIONS_MAX; i++)
                question_free(r->questions[i]);
        sd_bus_close_unref(r->bus);
        sd_event_unref(r->event);
        free(r);
        return NULL;
}

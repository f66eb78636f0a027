/* See photongate_tags.h; the numbers in comments are sections of ../SPEC.md. */
#include "photongate_tags.h"

#include <stdlib.h>
#include <string.h>

static uint32_t u32(const uint8_t *p) { return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24; }
static uint64_t u64(const uint8_t *p) { return u32(p) | (uint64_t)u32(p + 4) << 32; }

/* 1: CRC32C, a byte at a time; put your processor's instruction here if this is too slow. */
static uint32_t crc_on(uint32_t c, const uint8_t *p, size_t n)
{
    static const uint32_t half[16] = { /* of each half byte */
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
        0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    for (; n > 0; n--) {
        c ^= *p++;
        c = c >> 4 ^ half[c & 15];
        c = c >> 4 ^ half[c & 15];
    }
    return c;
}

/* 3 */
int pg_frame(const uint8_t *d, size_t size, pg_header *h)
{
    static const uint8_t zero[4];
    size_t head, length;
    uint32_t c = ~0u;
    if (size < 56)
        return PG_TRUNCATED;
    if (memcmp(d, "\xF5PG", 3) != 0)
        return PG_MAGIC;
    if (d[3] != 1)
        return PG_VERSION;
    head = (size_t)d[4] * 4;
    if (head < 56 || head > 252)
        return PG_FORMAT;
    if (size < head)
        return PG_TRUNCATED;
    c = crc_on(crc_on(crc_on(c, d, 12), zero, 4), d + 16, head - 16);
    if (~c != u32(d + 12))
        return PG_HEADER_CRC;
    length = u32(d + 8);
    if (head + length > 1 << 20)
        return PG_LIMIT;
    if (size < head + length)
        return PG_TRUNCATED;
    if ((length > 0 ? ~crc_on(~0u, d + head, length) : 0) != u32(d + 16))
        return PG_PAYLOAD_CRC;
    h->type = d[5] & 127;
    h->stream = u32(d + 20);
    h->epoch = u32(d + 24);
    h->count = u32(d + 28);
    h->seq = u64(d + 32);
    h->index = u64(d + 40);
    h->time = (int64_t)u64(d + 48);
    h->payload = d + head;
    h->payload_size = length;
    h->frame_size = head + length;
    /* A flag in the high byte, or a type with bit 7 that is not known here. */
    if (d[7] != 0 || (d[5] & 128 && h->type != PG_DESCRIPTOR))
        return PG_UNKNOWN;
    return PG_OK;
}

/* What is left to read; after an error p is NULL and nothing more is read. */
typedef struct {
    const uint8_t *p, *end;
    int error;
} input;

static uint64_t refuse(input *in, int error)
{
    if (!in->error)
        in->error = error;
    in->p = in->end = NULL;
    return 0;
}

static const uint8_t *take(input *in, uint64_t n)
{
    const uint8_t *p = in->p;
    if (n > (uint64_t)(in->end - in->p)) {
        refuse(in, PG_FORMAT);
        return NULL;
    }
    in->p += n;
    return p;
}

static int byte(input *in)
{
    const uint8_t *p = take(in, 1);
    return p ? *p : 0;
}

/* 1 */
static uint64_t uvarint(input *in)
{
    uint64_t v = 0;
    int i, b;
    for (i = 0; i < 10; i++) {
        b = byte(in);
        if (i == 9 && b > 1)
            break;
        v |= (uint64_t)(b & 127) << 7 * i;
        if (b < 128)
            return v;
    }
    return refuse(in, PG_FORMAT);
}

static uint64_t unzigzag(uint64_t z) { return z >> 1 ^ (0 - (z & 1)); }

/* 1, bit array: the field of w bits, 0 to 64, that begins at bit i. */
static uint64_t field(const uint8_t *p, uint64_t i, int w)
{
    uint64_t v = 0;
    int got = 0;
    for (p += i / 8, i %= 8; got < w; p++, i = 0) {
        v |= (uint64_t)(*p >> i) << got;
        got += 8 - (int)i;
    }
    return w < 64 ? v & (((uint64_t)1 << w) - 1) : v;
}

/* 5: n words z as Rice with parameter k. */
static void rice(input *in, uint64_t *z, uint32_t n, int k)
{
    uint64_t u = uvarint(in), bit = 0, q;
    const uint8_t *low = take(in, ((uint64_t)n * k + 7) / 8), *quotients = take(in, u), *escape;
    uint32_t i;
    for (i = 0; i < n && !in->error; i++) {
        for (q = 0; bit < 8 * u && !(quotients[bit / 8] >> bit % 8 & 1); bit++)
            q++;
        if (q > 32 || bit == 8 * u) {
            refuse(in, PG_FORMAT);
        } else if (bit++, q == 32) {
            escape = take(in, 8);
            z[i] = escape ? u64(escape) : 0;
        } else {
            z[i] = q << k | field(low, (uint64_t)i * k, k);
        }
    }
    if (!in->error && (8 * u - bit >= 8 || (bit % 8 && quotients[bit / 8] >> bit % 8)))
        refuse(in, PG_FORMAT);
}

/* 5: n words z as bell with parameters k and s. */
static void bell(input *in, uint64_t *z, uint32_t n, int k, int s)
{
    const uint8_t *p, *escape;
    uint64_t left = 8 * (uint64_t)(in->end - in->p), bit = 0, pairs = 0, q;
    uint32_t i;
    for (i = 0; i < n && !in->error; i++) {
        for (q = 0; bit < left && q <= 32 && !(in->p[bit / 8] >> bit % 8 & 1); bit++)
            q++;
        if (q > 32 || bit == left)
            refuse(in, PG_FORMAT);
        bit++;
        pairs += q < (uint64_t)s;
        z[i] = q;
    }
    if (in->error)
        return;
    if (bit % 8 && in->p[bit / 8] >> bit % 8)
        refuse(in, PG_FORMAT);
    take(in, (bit + 7) / 8);
    bit = (uint64_t)n * k; /* of the first pair */
    p = take(in, (bit + pairs + 7) / 8);
    for (i = 0; i < n && !in->error; i++) {
        q = z[i];
        if (q == 32) {
            escape = take(in, 8);
            z[i] = escape ? u64(escape) : 0;
        } else {
            q = q < (uint64_t)s ? 2 * q + field(p, bit++, 1) : q + s;
            z[i] = q << k | field(p, (uint64_t)i * k, k);
        }
    }
}

/* 5: a column of n >= 1 words. */
static void column(input *in, uint64_t *x, uint32_t n)
{
    int codec = byte(in), w = codec & 63;
    uint64_t r, t;
    const uint8_t *p;
    uint32_t i;
    if (codec == 0x00) {
        p = take(in, 8 * (uint64_t)n);
        for (i = 0; p && i < n; i++)
            x[i] = u64(p + 8 * (size_t)i);
    } else if (codec == 0x01) {
        r = uvarint(in);
        for (i = 0; i < n; i++)
            x[i] = r;
    } else if (codec >= 0x10 && codec < 0x40 && codec & 3) {
        r = uvarint(in);
        bell(in, x, n, (codec - 0x10) / 4, codec & 3);
        for (i = 0; !in->error && i < n; i++)
            x[i] = r + unzigzag(x[i]);
    } else if (codec > 0x40 && codec < 0x80) {
        r = uvarint(in);
        p = take(in, ((uint64_t)n * w + 7) / 8);
        for (i = 0; p && i < n; i++)
            x[i] = r + field(p, (uint64_t)i * w, w);
    } else if (codec >= 0x80) {
        r = uvarint(in);
        t = codec >= 0xC0 ? unzigzag(uvarint(in)) : 0;
        rice(in, x, n, w);
        for (i = 0; !in->error && i < n; i++) {
            x[i] = r + t + unzigzag(x[i]);
            if (codec >= 0xC0)
                r = x[i];
        }
    } else {
        refuse(in, PG_UNKNOWN);
    }
}

/* 13.1, a block of `rising`: differences z. */
static void block(input *in, uint64_t *z, uint32_t n)
{
    static const int power[5] = {1, 3, 9, 27, 81};
    int head = byte(in);
    const uint8_t *thirds = NULL;
    uint32_t i;
    if (head & 128)
        refuse(in, PG_FORMAT);
    if (head & 64)
        thirds = take(in, (n + 4) / 5);
    for (i = 0; thirds && i < (n + 4) / 5; i++)
        if (thirds[i] > 242)
            refuse(in, PG_FORMAT);
    rice(in, z, n, head & 63);
    for (i = 0; thirds && !in->error && i < n; i++)
        z[i] = 3 * z[i] + thirds[i / 5] / power[i % 5] % 3;
}

/* 13.1 */
static void read_ticks(input *in, uint64_t *x, uint32_t n, uint64_t *spare)
{
    int codec = in->p < in->end ? *in->p : 0, s;
    uint64_t r, period, fraction;
    uint32_t i, many;
    const uint8_t *p;
    if (codec == 0x02) {
        byte(in);
        s = byte(in);
        r = uvarint(in);
        if (s < 6 || s > 16)
            refuse(in, PG_FORMAT);
        for (i = 0; !in->error && i < n; i += many) {
            many = n - i < (uint32_t)1 << s ? n - i : (uint32_t)1 << s;
            block(in, x + i, many);
        }
        for (i = 0; !in->error && i < n; i++)
            x[i] = r += x[i];
    } else if (codec == 0x03) {
        byte(in);
        r = uvarint(in);
        period = uvarint(in);
        p = take(in, 4);
        fraction = p ? u32(p) : 0;
        if (in->p < in->end && *in->p == 0x03) /* no pulses of pulses */
            refuse(in, PG_UNKNOWN);
        read_ticks(in, x, n, spare);
        column(in, spare, n);
        for (i = 0; !in->error && i < n; i++) {
            if (x[i] >> 32)
                refuse(in, PG_FORMAT);
            x[i] = r + x[i] * period + (x[i] * fraction >> 32) + spare[i];
        }
    } else {
        column(in, x, n);
    }
}

/* 13.2: a column of n >= 1 channels. */
static void read_channels(input *in, uint8_t *c, uint32_t n, int depth)
{
    int codec = byte(in), base, j, k, w = 0;
    uint64_t many, group = 0, at = 0, *gaps;
    uint8_t *some;
    const uint8_t *p, *palette;
    uint32_t i, e, rest;
    if (codec == 0x00) {
        if ((p = take(in, n)) != NULL)
            memcpy(c, p, n);
    } else if (codec == 0x01) {
        memset(c, byte(in), n);
    } else if (codec == 0x02) {
        base = byte(in);
        j = byte(in);
        for (i = 0, many = 1; i < (uint32_t)j && many <= 65536; i++)
            many *= base;
        if (base < 2 || j < 1 || j > 16 || many > 65536) {
            refuse(in, PG_FORMAT);
            return;
        }
        while (many - 1 >> w)
            w++;
        palette = take(in, base);
        p = take(in, ((uint64_t)((n + j - 1) / j) * w + 7) / 8);
        for (i = 0; palette && p && i < n; i++, group /= base) {
            if (i % j == 0 && (group = field(p, (uint64_t)(i / j) * w, w)) >= many)
                refuse(in, PG_FORMAT);
            c[i] = palette[group % base];
        }
    } else if (codec == 0x03 || codec == 0x04) {
        many = uvarint(in);
        k = byte(in);
        if (many < 1 || many > n || (codec == 0x03 && many == n) || k > 63 || depth == 8) {
            refuse(in, PG_FORMAT);
            return;
        }
        gaps = malloc(many * sizeof *gaps);
        some = malloc(many);
        if (!gaps || !some) {
            refuse(in, PG_MEMORY);
            many = 0;
        }
        if (many > 0) {
            rice(in, gaps, (uint32_t)many, k);
            read_channels(in, some, (uint32_t)many, depth + 1);
        }
        if (many > 0 && codec == 0x04) { /* runs */
            for (i = 0; !in->error && i < many; i++) {
                if (gaps[i] >= n - at)
                    refuse(in, PG_FORMAT);
                else
                    memset(c + at, some[i], gaps[i] + 1);
                at += gaps[i] + 1;
            }
            if (at != n)
                refuse(in, PG_FORMAT);
        } else if (many > 0) { /* split: the rest first, then spread it out from its end */
            rest = n - (uint32_t)many;
            read_channels(in, c, rest, depth + 1);
            for (e = 0, at = 0; !in->error && e < many; e++) {
                if (gaps[e] >= n - at)
                    refuse(in, PG_FORMAT);
                else
                    at = gaps[e] = at + gaps[e];
                at++;
            }
            for (i = n, e = (uint32_t)many; !in->error && e > 0;) {
                i--;
                if (gaps[e - 1] == i)
                    c[i] = some[--e];
                else
                    c[i] = c[--rest];
            }
        }
        free(gaps);
        free(some);
    } else {
        refuse(in, PG_UNKNOWN);
    }
}

/* 13 */
int pg_decode_tags(const pg_header *h, uint64_t *ticks, uint8_t *channels, pg_tags *t)
{
    input in = {h->payload, h->payload + h->payload_size, PG_OK};
    uint64_t sum = 0, counted[PG_MAX_CHANNELS] = {0}, *spare = NULL;
    uint32_t n = h->count, i;
    pg_loss loss;
    int bits, losses_wrong = 0;
    memset(t, 0, sizeof *t);
    if (n > PG_MAX_TAGS)
        return PG_LIMIT;
    if (byte(&in) != 1)
        return in.error ? in.error : PG_UNKNOWN;
    if ((bits = byte(&in)) > 3)
        return PG_UNKNOWN;
    t->sorted = bits & 1;
    sum = uvarint(&in);
    if (in.error || sum < 1)
        return PG_FORMAT;
    if (sum > PG_MAX_CHANNELS)
        return PG_LIMIT;
    t->channels = (int)sum;
    t->last = uvarint(&in);
    for (i = 0; i < (uint32_t)t->channels; i++)
        t->totals[i] = uvarint(&in);
    t->until = t->last + unzigzag(uvarint(&in));
    t->losses = bits & 2 ? uvarint(&in) : 0;
    t->next_loss = in.p;
    t->losses_end = in.end;
    if (!in.error && t->losses > 0) {
        pg_tags look = *t;
        while (pg_next_loss(&look, &loss))
            ;
        losses_wrong = look.losses > 0;
        in.p = look.next_loss;
    }
    if (in.error || losses_wrong || (n == 0 && t->until != t->last))
        return PG_FORMAT;
    if (n > 0) {
        if ((spare = malloc(n * sizeof *spare)) == NULL)
            return PG_MEMORY;
        read_ticks(&in, ticks, n, spare);
        free(spare);
        read_channels(&in, channels, n, 0);
    }
    if (!in.error && in.p != in.end)
        refuse(&in, PG_FORMAT);
    for (i = 0; !in.error && i < n; i++) {
        counted[channels[i]]++;
        if (channels[i] >= t->channels || (t->sorted && i > 0 && ticks[i] < ticks[i - 1]))
            refuse(&in, PG_FORMAT);
    }
    if (!in.error && (memcmp(counted, t->totals, sizeof counted) != 0 || (n > 0 && ticks[n - 1] != t->last)))
        refuse(&in, PG_FORMAT);
    return in.error;
}

/* 13; a loss that is wrong leaves t->losses above 0 and ends the walk. */
int pg_next_loss(pg_tags *t, pg_loss *loss)
{
    input in = {t->next_loss, t->losses_end, PG_OK};
    uint64_t from, length, channel;
    if (t->losses == 0)
        return 0;
    from = uvarint(&in);
    length = uvarint(&in);
    channel = uvarint(&in);
    loss->known = byte(&in);
    loss->missing = loss->known == 1 ? uvarint(&in) : 0;
    if (in.error || loss->known > 1 || channel > (uint64_t)t->channels || from > UINT64_MAX - t->loss_from ||
        length > UINT64_MAX - t->loss_from - from)
        return 0;
    loss->from = t->loss_from += from;
    loss->to = loss->from + length;
    loss->channel = (int)channel - 1;
    t->next_loss = in.p;
    t->losses--;
    return 1;
}

/* 8 */
int pg_segment(const uint8_t *d, size_t size, size_t *first)
{
    if (size < 20)
        return PG_TRUNCATED;
    if (memcmp(d, "\xF5PS", 3) != 0)
        return PG_MAGIC;
    if (d[3] != 1)
        return PG_VERSION;
    if (~crc_on(~0u, d, 16) != u32(d + 16))
        return PG_HEADER_CRC;
    *first = u32(d + 4);
    if (*first < 20 || *first > 256 << 10)
        return PG_LIMIT;
    return *first > size ? PG_TRUNCATED : PG_OK;
}

/* 8 */
int pg_is_mark(const uint8_t *d, size_t size)
{
    return size >= PG_MARK_SIZE && memcmp(d, "\xF5PM\1", 4) == 0 && ~crc_on(~0u, d, 28) == u32(d + 28);
}

const char *pg_error(int e)
{
    static const char *const words[] = {"no error", "truncated", "magic", "version", "header-crc", "payload-crc", "limit", "unknown", "format", "memory"};
    return e >= 0 && e <= PG_MEMORY ? words[e] : "no error code";
}

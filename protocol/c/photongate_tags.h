/* Time tags of photongate in C99: what a page of C needs to read an archive's
 * segment files (*.pgs) or frames from a connection. ../SPEC.md is the authority.
 *
 *     pg_header h;
 *     while (size > 0) {
 *         int e = pg_frame(data, size, &h);            // checks both checksums
 *         if (e) ...                                   // pg_error(e) says what
 *         if (h.type == PG_TAGS) {
 *             pg_tags t;
 *             e = pg_decode_tags(&h, ticks, channels, &t);   // PG_MAX_TAGS of each
 *         }
 *         data += h.frame_size; size -= h.frame_size;
 *     }
 *
 * pg_segment finds the first frame of a segment file; between frames stand marks of
 * PG_MARK_SIZE bytes, for which pg_is_mark is true. Nothing here keeps state: all may
 * be called from several threads.
 *
 * A tag's time in seconds is tick x NUM / DEN, where the frame of type
 * PG_DESCRIPTOR at the begin of the file has "tick":["NUM","DEN"]; its "channels"
 * name the channels by their order, and are as many as pg_tags.channels says.
 */
#ifndef PHOTONGATE_TAGS_H
#define PHOTONGATE_TAGS_H

#include <stddef.h>
#include <stdint.h>

enum { PG_DESCRIPTOR = 1, PG_COUNTS = 2, PG_TAGS = 3, PG_GAP = 4, PG_EVENT = 5, PG_CLOCK = 6, PG_END = 7, PG_HOLE = 15 };
enum { PG_MAX_TAGS = 65536, PG_MAX_CHANNELS = 256, PG_MARK_SIZE = 32 };

/* What can be wrong; pg_error says it in words. */
enum {
    PG_OK, PG_TRUNCATED, PG_MAGIC, PG_VERSION, PG_HEADER_CRC, PG_PAYLOAD_CRC, PG_LIMIT,
    PG_UNKNOWN, /* made by a newer photongate: pass the frame over */
    PG_FORMAT, PG_MEMORY
};

typedef struct {
    int type; /* PG_TAGS and so on, without bit 7 */
    uint32_t stream, epoch, count;
    uint64_t seq, index;
    int64_t time;           /* ns of the gateway's time base */
    const uint8_t *payload; /* in the caller's data; JSON of all types but counts and tags */
    size_t payload_size;
    size_t frame_size; /* header and payload */
} pg_header;

typedef struct {
    uint64_t from, to; /* ticks from <= t < to of which tags may be missing */
    int channel;       /* -1: all channels */
    int known;         /* is missing known? */
    uint64_t missing;
} pg_loss;

typedef struct {
    int channels;
    int sorted;                       /* ticks never decrease */
    uint64_t last, until;             /* last tick; tick to which the clock is known to have come */
    uint64_t totals[PG_MAX_CHANNELS]; /* tags of each channel in this frame */
    uint64_t losses;                  /* how many; pg_next_loss gives them in order */
    const uint8_t *next_loss, *losses_end;
    uint64_t loss_from;
} pg_tags;

/* pg_frame reads the frame at the begin of size bytes. */
int pg_frame(const uint8_t *data, size_t size, pg_header *h);

/* pg_decode_tags fills ticks and channels, room for h->count of each, and t. When it
 * refuses a frame what it filled means nothing. */
int pg_decode_tags(const pg_header *h, uint64_t *ticks, uint8_t *channels, pg_tags *t);

/* pg_next_loss gives the next of t->losses; 0 when there are no more. */
int pg_next_loss(pg_tags *t, pg_loss *loss);

/* pg_segment tells in *first where the first frame of a segment file stands. */
int pg_segment(const uint8_t *data, size_t size, size_t *first);

/* pg_is_mark: is this a mark, and no frame? */
int pg_is_mark(const uint8_t *data, size_t size);

const char *pg_error(int e);

#endif

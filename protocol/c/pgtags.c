/* pgtags FILE...: the time tags of segment files of an archive or journal (*.pgs),
 * or of files of bare frames, as lines of text: tick, channel. An example of how
 * photongate_tags is used, and what its tests run.
 *
 *     cc -O2 -o pgtags pgtags.c photongate_tags.c
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "photongate_tags.h"

static uint64_t ticks[PG_MAX_TAGS];
static uint8_t channels[PG_MAX_TAGS];

static uint8_t *read_file(const char *name, size_t *size)
{
    FILE *f = fopen(name, "rb");
    uint8_t *data = NULL, *more;
    size_t room = 0, n;
    *size = 0;
    if (!f)
        return NULL;
    do {
        if (*size == room) {
            room = room ? 2 * room : 1 << 20;
            if ((more = realloc(data, room)) == NULL)
                break;
            data = more;
        }
        *size += n = fread(data + *size, 1, room - *size, f);
    } while (n > 0);
    fclose(f);
    return data;
}

static void print_tags(const pg_header *h)
{
    pg_tags t;
    pg_loss l;
    uint32_t i;
    int e = pg_decode_tags(h, ticks, channels, &t);
    if (e) {
        printf("# %" PRIu32 " tags from index %" PRIu64 " refused: %s\n", h->count, h->index, pg_error(e));
        return;
    }
    printf("# %" PRIu32 " tags from index %" PRIu64 ", %d channels, until %" PRIu64 "\n", h->count, h->index, t.channels, t.until);
    while (pg_next_loss(&t, &l)) {
        printf("# from %" PRIu64 " to %" PRIu64 " tags may be missing of channel %d", l.from, l.to, l.channel);
        printf(l.known ? ": %" PRIu64 "\n" : "\n", l.missing);
    }
    for (i = 0; i < h->count; i++)
        printf("%" PRIu64 ",%d\n", ticks[i], channels[i]);
}

static int print_file(const uint8_t *data, size_t size)
{
    size_t at = 0;
    pg_header h;
    int e;
    if (size >= 4 && memcmp(data, "\xF5PS", 3) == 0 && (e = pg_segment(data, size, &at)) != PG_OK)
        return e;
    while (at < size) {
        if (pg_is_mark(data + at, size - at)) {
            at += PG_MARK_SIZE;
            continue;
        }
        if ((e = pg_frame(data + at, size - at, &h)) != PG_OK)
            return e;
        if (h.type == PG_TAGS)
            print_tags(&h);
        at += h.frame_size;
    }
    return PG_OK;
}

int main(int argc, char **argv)
{
    int i, e, status = 0;
    if (argc < 2 || argv[1][0] == '-') {
        fputs("usage: pgtags FILE...\n"
              "Prints the time tags of an archive's or journal's segment files (*.pgs) as lines of text: tick,channel.\n"
              "What a tick is and the names of the channels, counted from 0, stand in the stream's descriptor (SPEC.md, 7.1).\n",
              stderr);
        return 2;
    }
    for (i = 1; i < argc; i++) {
        size_t size;
        uint8_t *data = read_file(argv[i], &size);
        if (!data) {
            perror(argv[i]);
            status = 1;
            continue;
        }
        if ((e = print_file(data, size)) != PG_OK) {
            fprintf(stderr, "%s: %s\n", argv[i], pg_error(e));
            status = 1;
        }
        free(data);
    }
    return status;
}

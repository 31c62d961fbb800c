/* A compiled network on its accelerator: see network.h. Plain C99; the only library functions are those of string.h and math.h. */
#include "network.h"

#include <math.h>
#include <string.h>

#define LANE_BYTES ((NETWORK_LANE_BITS + 7) / 8)
#define PER_BYTE (8 / NETWORK_LANE_BITS) /* lanes that share a byte; 0 where a lane takes several */

const struct network_tensor network_inputs[NETWORK_INPUTS] = NETWORK_INPUT_TABLE;
const struct network_tensor network_outputs[NETWORK_OUTPUTS] = NETWORK_OUTPUT_TABLE;
const uint32_t network_programs[NETWORK_PROGRAMS] = NETWORK_PROGRAM_TABLE;

/* Write one stored value into a word. */
static void put_lane(uint8_t *word, uint32_t lane, int32_t value)
{
#if NETWORK_LANE_BITS < 8
    unsigned shift = (lane % PER_BYTE) * NETWORK_LANE_BITS, mask = ((1u << NETWORK_LANE_BITS) - 1u) << shift;
    uint8_t *at = word + lane / PER_BYTE;
    *at = (uint8_t)((*at & ~mask) | (((uint32_t)value << shift) & mask));
#else
    for (unsigned byte = 0; byte < LANE_BYTES; byte++)
        word[lane * LANE_BYTES + byte] = (uint8_t)((uint32_t)value >> (8 * byte));
#endif
}

/* Read one stored value from a word; values are signed. */
static int32_t get_lane(const uint8_t *word, uint32_t lane)
{
    const uint32_t sign = 1u << (NETWORK_LANE_BITS - 1);
    uint32_t raw = 0;
#if NETWORK_LANE_BITS < 8
    raw = (word[lane / PER_BYTE] >> ((lane % PER_BYTE) * NETWORK_LANE_BITS)) & ((1u << NETWORK_LANE_BITS) - 1u);
#else
    for (unsigned byte = 0; byte < LANE_BYTES; byte++)
        raw |= (uint32_t)word[lane * LANE_BYTES + byte] << (8 * byte);
#endif
    return (int32_t)(raw ^ sign) - (int32_t)sign;
}

/* Byte offset of the word that holds channel c of pixel (n, y, x): image, block of channels, row, column. */
static size_t word_offset(const struct network_tensor *t, uint32_t n, uint32_t c, uint32_t y, uint32_t x)
{
    uint32_t blocks = (t->channels + NETWORK_LANES - 1) / NETWORK_LANES;
    size_t plane = (size_t)n * blocks + c / NETWORK_LANES;
    return (size_t)t->beat * NETWORK_BEAT_BYTES + ((plane * t->height + y) * t->width + x) * NETWORK_WORD_BYTES;
}

size_t network_elements(const struct network_tensor *t)
{
    return (size_t)t->images * t->channels * t->height * t->width;
}

int32_t network_quantize(const struct network_tensor *t, float value)
{
    const double low = -(double)(1 << (t->bits - 1)), high = (double)((1 << (t->bits - 1)) - 1);
    double q = rint((double)value / t->scale) + (double)t->zero_point;
    return (int32_t)(q >= low ? (q > high ? high : q) : low); /* not a number: low */
}

/* Copy to and from memory by whole aligned words of 32 bits, whatever way memory is mapped: memcpy and memset may use accesses that
   device memory does not allow. `bytes` is a multiple of 4, as every beat is. */
static void put_bytes(uint8_t *memory, const uint8_t *from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 4) {
        uint32_t value;
        memcpy(&value, from + i, 4);
        NETWORK_MEMORY_WRITE(memory + i, value);
    }
}

static void get_bytes(const uint8_t *memory, uint8_t *to, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 4) {
        uint32_t value = NETWORK_MEMORY_READ(memory + i);
        memcpy(to + i, &value, 4);
    }
}

void network_load(uint8_t *memory, const uint8_t *image)
{
    uint8_t *to = memory + (size_t)NETWORK_IMAGE_BEAT * NETWORK_BEAT_BYTES;
    put_bytes(to, image, NETWORK_IMAGE_BYTES);
    NETWORK_CLEAN(to, NETWORK_IMAGE_BYTES);
}

/* Lanes of the block of channels that begins with channel c. */
static uint32_t lanes_from(const struct network_tensor *t, uint32_t c)
{
    return t->channels - c < NETWORK_LANES ? t->channels - c : NETWORK_LANES;
}

/* Index of channel c of pixel (n, y, x) among a tensor's values. */
static size_t value_index(const struct network_tensor *t, uint32_t n, uint32_t c, uint32_t y, uint32_t x)
{
    return (((size_t)n * t->channels + c) * t->height + y) * t->width + x;
}

void network_write(uint8_t *memory, const struct network_tensor *t, const float *values)
{
    for (uint32_t n = 0; n < t->images; n++)
        for (uint32_t c = 0; c < t->channels; c += NETWORK_LANES)
            for (uint32_t y = 0; y < t->height; y++)
                for (uint32_t x = 0; x < t->width; x++) {
                    uint8_t word[NETWORK_WORD_BYTES] = {0};
                    for (uint32_t lane = 0; lane < lanes_from(t, c); lane++)
                        put_lane(word, lane, network_quantize(t, values[value_index(t, n, c + lane, y, x)]));
                    put_bytes(memory + word_offset(t, n, c, y, x), word, sizeof word);
                }
    NETWORK_CLEAN(memory + (size_t)t->beat * NETWORK_BEAT_BYTES, (size_t)t->beats * NETWORK_BEAT_BYTES);
}

void network_read(const uint8_t *memory, const struct network_tensor *t, float *values)
{
    NETWORK_INVALIDATE(memory + (size_t)t->beat * NETWORK_BEAT_BYTES, (size_t)t->beats * NETWORK_BEAT_BYTES);
    for (uint32_t n = 0; n < t->images; n++)
        for (uint32_t c = 0; c < t->channels; c += NETWORK_LANES)
            for (uint32_t y = 0; y < t->height; y++)
                for (uint32_t x = 0; x < t->width; x++) {
                    uint8_t word[NETWORK_WORD_BYTES];
                    get_bytes(memory + word_offset(t, n, c, y, x), word, sizeof word);
                    for (uint32_t lane = 0; lane < lanes_from(t, c); lane++)
                        values[value_index(t, n, c + lane, y, x)] = (float)(t->scale * (double)(get_lane(word, lane) - t->zero_point));
                }
}

/* Give up what runs or waits; until this is over neither COMPLETED nor BASE may be touched. */
static int reset(uintptr_t registers)
{
    NETWORK_WRITE(registers + NETWORK_REG_CONTROL, NETWORK_CONTROL_SOFT_RESET);
    for (uint32_t polls = 0; polls < NETWORK_POLLS; polls++)
        if (!(NETWORK_READ(registers + NETWORK_REG_STATUS) & NETWORK_STATUS_BUSY))
            return 0;
    return NETWORK_TIMEOUT;
}

/* Write BASE; whether the memory port has the address bits for it. */
static int set_base(uintptr_t registers, uint64_t address)
{
    NETWORK_WRITE(registers + NETWORK_REG_BASE_LOW, (uint32_t)address & ~4095u);
    NETWORK_WRITE(registers + NETWORK_REG_BASE_HIGH, (uint32_t)(address >> 32));
    return NETWORK_READ(registers + NETWORK_REG_BASE_HIGH) == (uint32_t)(address >> 32);
}

int network_begin(uintptr_t registers, uint64_t memory_address)
{
    static const uint32_t design[][2] = NETWORK_DESIGN_TABLE;
    const uint64_t last = memory_address + (NETWORK_MEMORY_BYTES - 1u);
    if (NETWORK_READ(registers + NETWORK_REG_ID) != NETWORK_ID || NETWORK_READ(registers + NETWORK_REG_VERSION) != NETWORK_VERSION)
        return NETWORK_NO_DEVICE;
    for (size_t i = 0; i < sizeof design / sizeof *design; i++)
        if (NETWORK_READ(registers + design[i][0]) != design[i][1])
            return NETWORK_OTHER_DESIGN;
    if (memory_address % 4096u || last < memory_address)
        return NETWORK_BAD_ADDRESS;
    if (reset(registers))
        return NETWORK_TIMEOUT;
    if (!set_base(registers, last) || !set_base(registers, memory_address))
        return NETWORK_BAD_ADDRESS;
    NETWORK_WRITE(registers + NETWORK_REG_INTERRUPT_ENABLE, NETWORK_STATUS_DONE | NETWORK_STATUS_ERROR);
    return 0;
}

/* End a run that failed. */
static int failed(uintptr_t registers, int code, uint32_t *layer, uint32_t which)
{
    if (layer)
        *layer = which;
    return reset(registers) ? NETWORK_TIMEOUT : code;
}

int network_run(uintptr_t registers, uint32_t *layer)
{
    NETWORK_FENCE();
    const uint32_t before = NETWORK_READ(registers + NETWORK_REG_COMPLETED);
    uint32_t sent = 0, ended = 0, polls = 0;
    for (;;) {
        uint32_t room = NETWORK_READ(registers + NETWORK_REG_QUEUE_FREE);
        for (; room && sent < NETWORK_PROGRAMS; room--)
            NETWORK_WRITE(registers + NETWORK_REG_QUEUE, network_programs[sent++]);
        NETWORK_WAIT();
        uint32_t status = NETWORK_READ(registers + NETWORK_REG_STATUS);
        if (status & NETWORK_STATUS_ERROR) {
            int code = (int)(NETWORK_READ(registers + NETWORK_REG_ERROR) & NETWORK_ERROR_CODE);
            uint32_t which = NETWORK_READ(registers + NETWORK_REG_ERROR_INDEX) - before; /* counted since reset */
            return failed(registers, code, layer, which);
        }
        NETWORK_WRITE(registers + NETWORK_REG_STATUS, status & (NETWORK_STATUS_DONE | NETWORK_STATUS_EMPTY));
        uint32_t now = NETWORK_READ(registers + NETWORK_REG_COMPLETED) - before;
        if (now == NETWORK_PROGRAMS) {
            NETWORK_WRITE(registers + NETWORK_REG_STATUS, NETWORK_STATUS_DONE | NETWORK_STATUS_EMPTY); /* came after the look */
            NETWORK_FENCE();
            return 0;
        }
        polls = now == ended ? polls + 1u : 0u;
        ended = now;
        if (polls >= NETWORK_POLLS)
            return failed(registers, NETWORK_TIMEOUT, layer, now);
    }
}

uint64_t network_cycles(uintptr_t registers)
{
    uint64_t low = NETWORK_READ(registers + NETWORK_REG_TOTAL_CYCLES);
    return low | (uint64_t)NETWORK_READ(registers + NETWORK_REG_TOTAL_CYCLES + 4u) << 32;
}

void network_softmax(float *values, size_t count)
{
    float most = values[0], sum = 0.0f;
    for (size_t i = 1; i < count; i++)
        most = values[i] > most ? values[i] : most;
    for (size_t i = 0; i < count; i++)
        sum += values[i] = expf(values[i] - most);
    for (size_t i = 0; i < count; i++)
        values[i] /= sum;
}

// Gravity between bodies, integrated by leapfrog; returns the energy of the system at the end.
//
// Long chains of 64-bit additions, multiplications, divisions and square roots with hardly a branch: what is measured is
// the code for floating point and how well values are kept in registers. Only operations that IEEE 754 rounds correctly
// are used and none is fused, so the energy is the same to the last bit on every processor and backend.

enum { BODIES = 24 };

struct body {
    double x, y, z;
    double vx, vy, vz;
    double mass;
};

static struct body bodies[BODIES];

// Keeps close encounters finite, as simulations of galaxies do: 0.05 squared.
static const double softening = 0.0025;

// Places the bodies on a rising spiral, with speeds that make them turn about the heavy one in the middle.
static void place(void) {
    for (int i = 0; i < BODIES; i++) {
        const double radius = 1.0 + 0.25 * i;
        // A rotation by an angle with rational sine and cosine, applied i times: 20/29 and 21/29.
        double cosine = 1.0, sine = 0.0;
        for (int turn = 0; turn < i; turn++) {
            const double next = (cosine * 20.0 - sine * 21.0) / 29.0;
            sine = (cosine * 21.0 + sine * 20.0) / 29.0;
            cosine = next;
        }
        const double speed = __builtin_sqrt(10.0 / radius);
        bodies[i] = (struct body){
            .x = radius * cosine, .y = radius * sine, .z = 0.03125 * i,
            .vx = -speed * sine, .vy = speed * cosine, .vz = 0.0,
            .mass = 0.0625,
        };
    }
    bodies[0] = (struct body){.mass = 10.0};
}

// Changes all velocities by the forces of one time step.
static void kick(double step) {
    for (int i = 0; i < BODIES; i++)
        for (int j = i + 1; j < BODIES; j++) {
            struct body *p = &bodies[i], *q = &bodies[j];
            const double dx = p->x - q->x, dy = p->y - q->y, dz = p->z - q->z;
            const double square = dx * dx + dy * dy + dz * dz + softening;
            const double pull = step / (square * __builtin_sqrt(square));
            p->vx -= dx * q->mass * pull;
            p->vy -= dy * q->mass * pull;
            p->vz -= dz * q->mass * pull;
            q->vx += dx * p->mass * pull;
            q->vy += dy * p->mass * pull;
            q->vz += dz * p->mass * pull;
        }
}

static void drift(double step) {
    for (int i = 0; i < BODIES; i++) {
        struct body *p = &bodies[i];
        p->x += p->vx * step;
        p->y += p->vy * step;
        p->z += p->vz * step;
    }
}

static double energy(void) {
    double sum = 0.0;
    for (int i = 0; i < BODIES; i++) {
        const struct body *p = &bodies[i];
        sum += 0.5 * p->mass * (p->vx * p->vx + p->vy * p->vy + p->vz * p->vz);
        for (int j = i + 1; j < BODIES; j++) {
            const struct body *q = &bodies[j];
            const double dx = p->x - q->x, dy = p->y - q->y, dz = p->z - q->z;
            sum -= p->mass * q->mass / __builtin_sqrt(dx * dx + dy * dy + dz * dz + softening);
        }
    }
    return sum;
}

// Starts afresh, advances `steps` steps of 1/1024 and returns the energy.
__attribute__((export_name("run"))) double run(int steps) {
    const double step = 1.0 / 1024.0;
    place();
    for (int i = 0; i < steps; i++) {
        kick(0.5 * step);
        drift(step);
        kick(0.5 * step);
    }
    return energy();
}

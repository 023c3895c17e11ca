//! Random faults, determined by the seed.

use crate::daemon::Daemon;
use crate::license_server::TestLicenseServer;
use crate::random::Random;
use crate::support::pause;
use crate::world::World;
use std::time::{Duration, Instant};

const HOUR: i64 = 3600;

/// Offsets of the Agent's wall clock, in seconds. No two clocks may differ by about an hour, where the rule changes.
const WALL_CLOCKS: [i64; 10] =
    [0, 0, 240, -240, 2 * HOUR, -2 * HOUR, 24 * HOUR, 49 * HOUR, -49 * HOUR, -3650 * 24 * HOUR];

/// Offsets of the license server's clock.
const SERVER_CLOCKS: [i64; 6] = [0, 0, 4 * HOUR, -40 * HOUR, 52 * HOUR, -52 * HOUR];

/// Boot clock time that passes between two processes of the Agent, in seconds.
const BOOT_CLOCKS: [i64; 5] = [0, 0, HOUR, 20 * HOUR, 49 * HOUR];

/// Injects faults until `end`, and kills the Agent every few seconds unless `never_killed`.
pub fn run(
    world: &World,
    daemon: &Daemon<'_>,
    license_server: &TestLicenseServer<'_>,
    random: &mut Random,
    never_killed: bool,
    end: Instant,
) {
    let mut next_kill = Instant::now() + Duration::from_secs(random.within(2..6));
    while Instant::now() < end && !world.is_over() {
        match random.below(20) {
            0..9 => license_server.change_mode(random),
            9..13 => (0..random.within(1..40)).for_each(|_| daemon.hang_up()),
            13 | 14 => daemon.set_wall_clock(random.one_of(&WALL_CLOCKS)),
            15 => license_server.set_clock(random.one_of(&SERVER_CLOCKS)),
            16 | 17 => daemon.fill_disk(random.below(2) == 0),
            _ => daemon.set_log(random.below(2) == 0),
        }
        pause(Duration::from_millis(random.within(50..1000)));
        if Instant::now() > next_kill && !never_killed {
            daemon.kill();
            license_server.change_mode(random);
            daemon.start(random.below(4) == 0, random.one_of(&BOOT_CLOCKS));
            next_kill = Instant::now() + Duration::from_secs(random.within(2..6));
        }
    }
    daemon.fill_disk(false);
    daemon.set_log(true);
    daemon.set_wall_clock(0);
    license_server.set_clock(0);
    license_server.grants();
    daemon.hang_up();
    world.calm_down();
}

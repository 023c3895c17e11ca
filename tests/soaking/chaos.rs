//! Everything that happens to an Agent, all at once, as a seed has it.

use crate::daemon::Daemon;
use crate::license_server::TestLicenseServer;
use crate::random::Random;
use crate::support::pause;
use crate::world::World;
use std::time::{Duration, Instant};

const HOUR: i64 = 3600;

/// How far ahead of the true time the Agent's wall clock is.
const WALL_CLOCKS: [i64; 9] = [0, 0, 240, -240, 2 * HOUR, -2 * HOUR, 47 * HOUR + 3590, 49 * HOUR, -49 * HOUR];

/// How much of the machine's time passes between two processes.
const BOOT_CLOCKS: [i64; 5] = [0, 0, HOUR, 20 * HOUR, 49 * HOUR];

/// Does one thing after the other until `end`, and kills the Agent every few seconds unless it is to live.
pub fn reign(
    world: &World,
    daemon: &Daemon<'_>,
    license_server: &TestLicenseServer<'_>,
    random: &mut Random,
    lives: bool,
    end: Instant,
) {
    let mut next_kill = Instant::now() + Duration::from_secs(random.within(2..6));
    while Instant::now() < end && !world.is_over() {
        match random.below(20) {
            0..9 => license_server.turns(random),
            9..13 => (0..random.within(1..40)).for_each(|_| daemon.hang_up()),
            13..16 => daemon.set_wall_clock(random.one_of(&WALL_CLOCKS)),
            16 | 17 => daemon.fill_disk(random.below(2) == 0),
            _ => daemon.keep_log(random.below(2) == 0),
        }
        pause(Duration::from_millis(random.within(50..1000)));
        if Instant::now() > next_kill && !lives {
            daemon.kill();
            license_server.turns(random);
            daemon.start(random.below(4) == 0, random.one_of(&BOOT_CLOCKS));
            next_kill = Instant::now() + Duration::from_secs(random.within(2..6));
        }
    }
    daemon.fill_disk(false);
    daemon.keep_log(true);
    daemon.set_wall_clock(0);
    license_server.grants();
    daemon.hang_up();
    world.calm_down();
}

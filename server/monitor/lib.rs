//! gantry-monitor

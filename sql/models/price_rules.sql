-- One row a product family of the price list: what is paid in it, and how. All that prices or charges reads this, so that
-- a kind of thing that is paid otherwise is a line here. A task is of the kind whose families price its device, from the
-- first of these prices on until another kind's first; where none does, of the kind that bears its device type's name.
--
-- group: costs
-- key: product_family
-- kind: what is paid so: QPU, SIMULATOR, job or reservation
-- device_type: type of the device of tasks, as in its ARN; NULL for jobs and reservations
-- is_in_job: whether it holds for tasks inside hybrid jobs
-- meter: task, shot, run_time, instance, volume or reservation; a task has one meter of shot and run_time, and task
--   beside it or not
-- product_family: product family of the price list
-- unit: what a quantity of it is counted in: task, shot, second, GB-second or hour
-- base_unit: what the units of its prices are made of: task, shot, second or gb_second
-- least_ms: the least run time that is paid a task, in milliseconds
-- item: what its prices are listed by: device, instance_type, or nothing
-- most_ms: the longest that a task may run, in milliseconds (Braket's simulators stop after 6 hours); NULL where no run is paid
SELECT *
FROM (
    VALUES
    ('QPU', 'QPU', false, 'task', 'Quantum Task', 'task', 'task', 0, 'device', NULL),
    ('QPU', 'QPU', false, 'shot', 'Quantum Task-Shot', 'shot', 'shot', 0, 'device', NULL),
    ('QPU', 'QPU', true, 'task', 'Braket Managed Jobs QPU Task', 'task', 'task', 0, 'device', NULL),
    ('QPU', 'QPU', true, 'shot', 'Braket Managed Jobs QPU Task Shot', 'shot', 'shot', 0, 'device', NULL),
    ('SIMULATOR', 'SIMULATOR', false, 'run_time', 'Simulator Task', 'second', 'second', 3000, 'device', 21600000),
    ('SIMULATOR', 'SIMULATOR', true, 'run_time', 'Braket Managed Jobs Simulator Task', 'second', 'second', 3000, 'device', 21600000),
    ('job', NULL, false, 'instance', 'Braket Managed Jobs Instance', 'second', 'second', 0, 'instance_type', NULL),
    ('job', NULL, false, 'volume', 'Braket Managed Jobs Volume', 'GB-second', 'gb_second', 0, 'nothing', NULL),
    ('reservation', NULL, false, 'reservation', 'Quantum Reservation', 'hour', 'second', 0, 'device', NULL)
) AS rules (kind, device_type, is_in_job, meter, product_family, unit, base_unit, least_ms, item, most_ms)

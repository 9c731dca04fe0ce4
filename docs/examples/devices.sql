-- Which devices are there, and do they take tasks?
SELECT device_name, provider_name, device_type, device_status, region
FROM devices
ORDER BY device_status, device_name;

-- How many qubits does each device have, where its capabilities say so?
SELECT device_name, json_extract(device_capabilities, '$.paradigm.qubitCount')::BIGINT AS qubits
FROM devices
WHERE json_valid(device_capabilities)
ORDER BY qubits DESC NULLS LAST;

-- Which devices do our tasks name that GetDevice was not asked about, or does not know?
SELECT t.device_arn, count(*) AS tasks
FROM quantum_tasks AS t
ANTI JOIN devices AS d ON d.device_arn = t.device_arn
GROUP BY t.device_arn
ORDER BY tasks DESC;

"""What SQL cannot do: estimates from intervals, forecasts, charts, the report. Reads the warehouse."""

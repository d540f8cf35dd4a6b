/** The line that points a PowerShell's programs at the service. */
export const powerShellLine = (url: string): string => `$env:ULTRALYTICS_PLATFORM_URL = "${url}"`;

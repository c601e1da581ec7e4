const done: Record<string, string> = { CREATE: "opened", ACCESS_REQUEST: "asked", AUTOMATIC_CHARGE: "charged", CLOSE: "closed", MISSED_HEARTBEAT: "missed a heartbeat", LAPSE: "lapsed" };

/** What a session did, by the operation that its receipt has. */
export const sessionDid = (operation: string) => done[operation] ?? operation.toLowerCase().replaceAll("_", " ");

// Where the service is and what it holds, told by the environment.

function variable(name) {
  const value = process.env[name];
  if (!value) throw new Error(`set ${name}`);
  return value;
}

/** The arguments of `check`, but for the log. */
export const environment = {
  endpoint: variable("MAILAGENT_TEST_ENDPOINT"),
  token: variable("MAILAGENT_TEST_TOKEN"),
  matches: Number(variable("MAILAGENT_TEST_MATCHES")),
  messages: Number(variable("MAILAGENT_TEST_MESSAGES")),
};

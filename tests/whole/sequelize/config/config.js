// libpq's settings by environment variables; the host is the folder of a Unix socket.
module.exports = {
  development: {
    dialect: "postgres",
    host: process.env.PGHOST,
    database: process.env.PGDATABASE,
    username: process.env.PGUSER,
    logging: false,
  },
};

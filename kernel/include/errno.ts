export { EBUSY, EINVAL, EIO, ENODEV, ENOMEM, ETIMEDOUT } from '../errno.ts';
